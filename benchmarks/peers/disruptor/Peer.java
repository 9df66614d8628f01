import com.lmax.disruptor.BatchEventProcessor;
import com.lmax.disruptor.BatchEventProcessorBuilder;
import com.lmax.disruptor.BlockingWaitStrategy;
import com.lmax.disruptor.BusySpinWaitStrategy;
import com.lmax.disruptor.EventHandler;
import com.lmax.disruptor.RingBuffer;
import com.lmax.disruptor.Sequence;
import com.lmax.disruptor.SequenceBarrier;
import com.lmax.disruptor.SleepingWaitStrategy;
import com.lmax.disruptor.WaitStrategy;
import com.lmax.disruptor.YieldingWaitStrategy;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * The LMAX Disruptor as a peer of benchmarks/ring.py: runs slices of one workload on request.
 *
 * <p>{@code java Peer WORKLOAD STRATEGY} answers {@code ready TID TID ...}, producers first, so that whoever started it
 * can pin the threads. Then each line {@code WORKLOAD STRATEGY MESSAGES} is answered by
 * {@code ok NANOSECONDS CHECKSUM}, or for ping-pong {@code ok P50 P99 P999 MAX CHECKSUM}; anything that goes wrong by
 * {@code error TEXT}. One process runs one workload with one strategy: the just-in-time compiler sees one wait
 * strategy and one handler class, as in the perf tests of the Disruptor, after which event and handlers are modelled:
 * an event is one long, producers write 0, 1, 2..., each consumer adds up all that it gets. The checksum is the sum of
 * what all consumers got. Rings have 64 Ki slots; so has the pipeline's, with which it is faster here than with the
 * 8 Ki of its perf test.
 */
public final class Peer
{
    private static final int RING = 1 << 16;
    private static final int PING_RING = 1 << 10;

    /** The event of the Disruptor's own perf tests. */
    public static final class ValueEvent
    {
        long value;
    }

    /** Adds up; notes when the last event of a slice came. */
    public static final class Adder implements EventHandler<ValueEvent>
    {
        private long p1, p2, p3, p4, p5, p6, p7, p8;
        private long total;
        private long lastSequence;
        private CountDownLatch latch;
        private volatile long endNs;
        private long q1, q2, q3, q4, q5, q6, q7, q8;

        void reset(final CountDownLatch newLatch, final long newLastSequence)
        {
            total = 0;
            latch = newLatch;
            lastSequence = newLastSequence;
        }

        @Override
        public void onEvent(final ValueEvent event, final long sequence, final boolean endOfBatch)
        {
            total += event.value;
            if (sequence == lastSequence)
            {
                endNs = System.nanoTime();
                latch.countDown();
            }
        }
    }

    /** A thread that sleeps between slices. */
    private static final class Seat
    {
        final ExecutorService executor = Executors.newSingleThreadExecutor(run ->
        {
            final Thread thread = new Thread(run);
            thread.setDaemon(true);
            return thread;
        });

        String threadId() throws Exception
        {
            final Callable<String> read = () ->
                Files.readSymbolicLink(Path.of("/proc/thread-self")).getFileName().toString();
            return executor.submit(read).get();
        }
    }

    private interface Workload
    {
        List<Seat> seats();

        String slice(long messages) throws Exception;
    }

    private static WaitStrategy strategy(final String name)
    {
        switch (name)
        {
            case "busy":
                return new BusySpinWaitStrategy();
            case "yielding":
                return new YieldingWaitStrategy();
            case "sleeping":
                return new SleepingWaitStrategy();
            case "blocking":
                return new BlockingWaitStrategy();
            default:
                throw new IllegalArgumentException("strategy: " + name);
        }
    }

    private static Workload workload(final String name, final String strategy)
    {
        switch (name)
        {
            case "unicast":
                return new Throughput(strategy, RING, 1, 1, new int[][] {{}});
            case "batch16":
                return new Throughput(strategy, RING, 1, 16, new int[][] {{}});
            case "batch64":
                return new Throughput(strategy, RING, 1, 64, new int[][] {{}});
            case "multicast":
                return new Throughput(strategy, RING, 1, 1, new int[][] {{}, {}, {}});
            case "pipeline":
                return new Throughput(strategy, RING, 1, 1, new int[][] {{}, {0}, {1}});
            case "diamond":
                return new Throughput(strategy, RING, 1, 1, new int[][] {{}, {}, {0, 1}});
            case "producers":
                return new Throughput(strategy, RING, 3, 1, new int[][] {{}});
            case "pingpong":
                return new PingPong(strategy);
            default:
                throw new IllegalArgumentException("workload: " + name);
        }
    }

    /** Producers and a graph of consumers; {@code graph[i]} says whom consumer i waits for. */
    private static final class Throughput implements Workload
    {
        private final RingBuffer<ValueEvent> ring;
        private final int batch;
        private final List<Adder> adders = new ArrayList<>();
        private final List<BatchEventProcessor<ValueEvent>> processors = new ArrayList<>();
        private final List<Seat> producers = new ArrayList<>();
        private final List<Seat> consumers = new ArrayList<>();

        Throughput(
            final String strategy, final int size, final int producerCount, final int batch, final int[][] graph)
        {
            this.batch = batch;
            ring = producerCount == 1
                ? RingBuffer.createSingleProducer(ValueEvent::new, size, strategy(strategy))
                : RingBuffer.createMultiProducer(ValueEvent::new, size, strategy(strategy));
            final boolean[] isLeaf = new boolean[graph.length];
            Arrays.fill(isLeaf, true);
            for (final int[] waitsFor : graph)
            {
                final Sequence[] sequences = new Sequence[waitsFor.length];
                for (int i = 0; i < waitsFor.length; i++)
                {
                    sequences[i] = processors.get(waitsFor[i]).getSequence();
                    isLeaf[waitsFor[i]] = false;
                }
                final SequenceBarrier barrier = ring.newBarrier(sequences);
                final Adder adder = new Adder();
                adders.add(adder);
                processors.add(new BatchEventProcessorBuilder().build(ring, barrier, adder));
                consumers.add(new Seat());
            }
            for (int i = 0; i < graph.length; i++)
            {
                if (isLeaf[i])
                {
                    ring.addGatingSequences(processors.get(i).getSequence());
                }
            }
            for (int i = 0; i < producerCount; i++)
            {
                producers.add(new Seat());
            }
        }

        @Override
        public List<Seat> seats()
        {
            final List<Seat> all = new ArrayList<>(producers);
            all.addAll(consumers);
            return all;
        }

        @Override
        public String slice(final long messages) throws Exception
        {
            final CountDownLatch latch = new CountDownLatch(adders.size());
            final long lastSequence = ring.getCursor() + messages;
            final List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < adders.size(); i++)
            {
                adders.get(i).reset(latch, lastSequence);
                running.add(consumers.get(i).executor.submit(processors.get(i)));
            }
            for (final BatchEventProcessor<ValueEvent> processor : processors)
            {
                while (!processor.isRunning())
                {
                    Thread.sleep(0, 10_000);
                }
            }
            final CyclicBarrier start = new CyclicBarrier(producers.size());
            final List<Future<Long>> starts = new ArrayList<>();
            for (final Seat producer : producers)
            {
                final long share = messages / producers.size();
                final Callable<Long> body = () ->
                {
                    start.await();
                    return batch == 1 ? publish(ring, share) : publishBatches(ring, share, batch);
                };
                starts.add(producer.executor.submit(body));
            }
            latch.await();
            long startNs = Long.MAX_VALUE;
            for (final Future<Long> each : starts)
            {
                startNs = Math.min(startNs, each.get());
            }
            for (final BatchEventProcessor<ValueEvent> processor : processors)
            {
                processor.halt();
            }
            for (final Future<?> each : running)
            {
                each.get();
            }
            long total = 0;
            long endNs = Long.MIN_VALUE;
            for (final Adder adder : adders)
            {
                total += adder.total;
                endNs = Math.max(endNs, adder.endNs);
            }
            return (endNs - startNs) + " " + total;
        }

        private static long publish(final RingBuffer<ValueEvent> ring, final long messages)
        {
            final long startNs = System.nanoTime();
            for (long i = 0; i < messages; i++)
            {
                final long next = ring.next();
                ring.get(next).value = i;
                ring.publish(next);
            }
            return startNs;
        }

        private static long publishBatches(final RingBuffer<ValueEvent> ring, final long messages, final int batch)
        {
            final long startNs = System.nanoTime();
            for (long i = 0; i < messages; i += batch)
            {
                final long hi = ring.next(batch);
                final long lo = hi - (batch - 1);
                for (long each = lo; each <= hi; each++)
                {
                    ring.get(each).value = i + (each - lo);
                }
                ring.publish(lo, hi);
            }
            return startNs;
        }
    }

    /** Two rings; the next ping leaves when the pong has come. */
    private static final class PingPong implements Workload
    {
        private final RingBuffer<ValueEvent> there;
        private final RingBuffer<ValueEvent> back;
        private final Pinger pinger;
        private final BatchEventProcessor<ValueEvent> pingProcessor;
        private final BatchEventProcessor<ValueEvent> pongProcessor;
        private final Seat pingSeat = new Seat();
        private final Seat pongSeat = new Seat();

        PingPong(final String strategy)
        {
            there = RingBuffer.createSingleProducer(ValueEvent::new, PING_RING, strategy(strategy));
            back = RingBuffer.createSingleProducer(ValueEvent::new, PING_RING, strategy(strategy));
            pinger = new Pinger(there);
            pingProcessor = new BatchEventProcessorBuilder().build(back, back.newBarrier(), pinger);
            pongProcessor =
                new BatchEventProcessorBuilder().build(there, there.newBarrier(), new Ponger(back));
            back.addGatingSequences(pingProcessor.getSequence());
            there.addGatingSequences(pongProcessor.getSequence());
        }

        @Override
        public List<Seat> seats()
        {
            return List.of(pingSeat, pongSeat);
        }

        @Override
        public String slice(final long messages) throws Exception
        {
            final CountDownLatch latch = new CountDownLatch(1);
            pinger.reset(latch, (int) messages);
            final Future<?> pong = pongSeat.executor.submit(pongProcessor);
            while (!pongProcessor.isRunning())
            {
                Thread.sleep(0, 10_000);
            }
            final Future<?> ping = pingSeat.executor.submit(pingProcessor);
            latch.await();
            pingProcessor.halt();
            pongProcessor.halt();
            ping.get();
            pong.get();
            final long[] sorted = pinger.samples.clone();
            Arrays.sort(sorted);
            return at(sorted, 0.5) + " " + at(sorted, 0.99) + " " + at(sorted, 0.999) + " " +
                sorted[sorted.length - 1] + " " + pinger.total;
        }

        private static long at(final long[] sorted, final double share)
        {
            return sorted[Math.min(sorted.length - 1, (int) (share * sorted.length))];
        }
    }

    /** Sends the first ping when it starts, and each next one when the last has come back. */
    public static final class Pinger implements EventHandler<ValueEvent>
    {
        private final RingBuffer<ValueEvent> out;
        private long[] samples = new long[0];
        private int received;
        private long sentNs;
        private long total;
        private CountDownLatch latch;

        Pinger(final RingBuffer<ValueEvent> out)
        {
            this.out = out;
        }

        void reset(final CountDownLatch newLatch, final int messages)
        {
            latch = newLatch;
            samples = new long[messages];
            received = 0;
            total = 0;
        }

        @Override
        public void onStart()
        {
            send();
        }

        @Override
        public void onEvent(final ValueEvent event, final long sequence, final boolean endOfBatch)
        {
            samples[received] = System.nanoTime() - sentNs;
            total += event.value;
            if (++received < samples.length)
            {
                send();
            }
            else
            {
                latch.countDown();
            }
        }

        private void send()
        {
            sentNs = System.nanoTime();
            final long next = out.next();
            out.get(next).value = received;
            out.publish(next);
        }
    }

    /** Sends back what comes. */
    public static final class Ponger implements EventHandler<ValueEvent>
    {
        private final RingBuffer<ValueEvent> out;

        Ponger(final RingBuffer<ValueEvent> out)
        {
            this.out = out;
        }

        @Override
        public void onEvent(final ValueEvent event, final long sequence, final boolean endOfBatch)
        {
            final long next = out.next();
            out.get(next).value = event.value;
            out.publish(next);
        }
    }

    public static void main(final String[] args) throws Exception
    {
        final Workload workload = workload(args[0], args[1]);
        final StringBuilder ready = new StringBuilder("ready");
        for (final Seat seat : workload.seats())
        {
            ready.append(' ').append(seat.threadId());
        }
        System.out.println(ready);
        final BufferedReader requests = new BufferedReader(new InputStreamReader(System.in));
        for (String line = requests.readLine(); line != null; line = requests.readLine())
        {
            final String[] words = line.trim().split(" ");
            try
            {
                if (words.length != 3 || !words[0].equals(args[0]) || !words[1].equals(args[1]))
                {
                    throw new IllegalArgumentException(
                        "expected " + args[0] + " " + args[1] + " and a number, was " + line);
                }
                System.out.println("ok " + workload.slice(Long.parseLong(words[2])));
            }
            catch (final Exception error)
            {
                System.out.println("error " + error);
            }
        }
        System.exit(0);
    }
}
