import io.aeron.Aeron;
import io.aeron.ExclusivePublication;
import io.aeron.Image;
import io.aeron.Subscription;
import io.aeron.driver.MediaDriver;
import io.aeron.driver.ThreadingMode;
import io.aeron.logbuffer.BufferClaim;
import io.aeron.logbuffer.FragmentHandler;
import org.agrona.DirectBuffer;
import org.agrona.MutableDirectBuffer;
import org.agrona.concurrent.SleepingIdleStrategy;

import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Aeron IPC as a peer of benchmarks/ring.py: runs slices of one workload on request.
 *
 * <p>{@code java Peer WORKLOAD STRATEGY} answers {@code ready TID TID}, the sender first, then each line
 * {@code WORKLOAD STRATEGY MESSAGES} by {@code ok NANOSECONDS CHECKSUM}, or for ping-pong
 * {@code ok P50 P99 P999 MAX CHECKSUM}. A message is eight longs, {@code i, i + 1 ... i + 7}, written by tryClaim of an
 * exclusive publication; the receiver adds up all of them. Both threads look all the time; the media driver is in the
 * same process, with one thread that sleeps between its duties.
 */
public final class Peer
{
    private static final int WORDS = 8;
    private static final int LENGTH = WORDS * Long.BYTES;
    private static final int TERM_LENGTH = 16 * 1024 * 1024;
    private static final int LIMIT = 256;

    private final Aeron aeron;
    private final ExecutorService sender = newSeat();
    private final ExecutorService receiver = newSeat();
    private final ExclusivePublication there;
    private final Image thereImage;
    private final ExclusivePublication back;
    private final Image backImage;

    private Peer(final Aeron aeron)
    {
        this.aeron = aeron;
        final String channel = "aeron:ipc?term-length=" + TERM_LENGTH;
        final Subscription thereEnd = aeron.addSubscription(channel, 1001);
        final Subscription backEnd = aeron.addSubscription(channel, 1002);
        there = aeron.addExclusivePublication(channel, 1001);
        back = aeron.addExclusivePublication(channel, 1002);
        while (thereEnd.imageCount() == 0 || backEnd.imageCount() == 0 || !there.isConnected() || !back.isConnected())
        {
            Thread.yield();
        }
        thereImage = thereEnd.imageAtIndex(0);
        backImage = backEnd.imageAtIndex(0);
    }

    private static ExecutorService newSeat()
    {
        return Executors.newSingleThreadExecutor(run ->
        {
            final Thread thread = new Thread(run);
            thread.setDaemon(true);
            return thread;
        });
    }

    private static String threadId(final ExecutorService seat) throws Exception
    {
        final Callable<String> read = () ->
            Files.readSymbolicLink(Path.of("/proc/thread-self")).getFileName().toString();
        return seat.submit(read).get();
    }

    private static void send(final ExclusivePublication publication, final BufferClaim claim, final long number)
    {
        while (publication.tryClaim(LENGTH, claim) < 0)
        {
            Thread.onSpinWait();
        }
        final MutableDirectBuffer buffer = claim.buffer();
        final int offset = claim.offset();
        for (int word = 0; word < WORDS; word++)
        {
            buffer.putLong(offset + word * Long.BYTES, number + word);
        }
        claim.commit();
    }

    private static long sum(final DirectBuffer buffer, final int offset)
    {
        long total = 0;
        for (int word = 0; word < WORDS; word++)
        {
            total += buffer.getLong(offset + word * Long.BYTES);
        }
        return total;
    }

    private static final class Adder implements FragmentHandler
    {
        private long total;

        @Override
        public void onFragment(
            final DirectBuffer buffer, final int offset, final int length, final io.aeron.logbuffer.Header header)
        {
            total += sum(buffer, offset);
        }
    }

    private String unicast(final long messages) throws Exception
    {
        final Callable<long[]> receive = () ->
        {
            final Adder adder = new Adder();
            long received = 0;
            while (received < messages)
            {
                final int count = thereImage.poll(adder, LIMIT);
                received += count;
                if (count == 0)
                {
                    Thread.onSpinWait();
                }
            }
            return new long[] {System.nanoTime(), adder.total};
        };
        final Callable<Long> sendAll = () ->
        {
            final BufferClaim claim = new BufferClaim();
            final long startNs = System.nanoTime();
            for (long i = 0; i < messages; i++)
            {
                send(there, claim, i);
            }
            return startNs;
        };
        final Future<long[]> received = receiver.submit(receive);
        final Future<Long> started = sender.submit(sendAll);
        final long[] ended = received.get();
        return (ended[0] - started.get()) + " " + ended[1];
    }

    private String pingPong(final int messages) throws Exception
    {
        final Callable<Long> echo = () ->
        {
            final BufferClaim claim = new BufferClaim();
            final FragmentHandler handler = (buffer, offset, length, header) ->
            {
                while (back.tryClaim(length, claim) < 0)
                {
                    Thread.onSpinWait();
                }
                claim.buffer().putBytes(claim.offset(), buffer, offset, length);
                claim.commit();
            };
            long received = 0;
            while (received < messages)
            {
                received += thereImage.poll(handler, 1);
            }
            return received;
        };
        final long[] samples = new long[messages];
        final Callable<Long> ping = () ->
        {
            final BufferClaim claim = new BufferClaim();
            final Adder adder = new Adder();
            for (int i = 0; i < messages; i++)
            {
                final long sentNs = System.nanoTime();
                send(there, claim, i);
                while (backImage.poll(adder, 1) == 0)
                {
                    continue;
                }
                samples[i] = System.nanoTime() - sentNs;
            }
            return adder.total;
        };
        final Future<Long> echoed = receiver.submit(echo);
        final long total = sender.submit(ping).get();
        echoed.get();
        Arrays.sort(samples);
        return at(samples, 0.5) + " " + at(samples, 0.99) + " " + at(samples, 0.999) + " " +
            samples[messages - 1] + " " + total;
    }

    private static long at(final long[] sorted, final double share)
    {
        return sorted[Math.min(sorted.length - 1, (int) (share * sorted.length))];
    }

    private String slice(final String workload, final long messages) throws Exception
    {
        switch (workload)
        {
            case "unicast":
                return unicast(messages);
            case "pingpong":
                return pingPong((int) messages);
            default:
                throw new IllegalArgumentException("workload: " + workload);
        }
    }

    public static void main(final String[] args) throws Exception
    {
        final File shared = new File("/dev/shm");
        final File home = new File(
            shared.isDirectory() ? shared : new File(System.getProperty("java.io.tmpdir")),
            "aeron-bench-" + ProcessHandle.current().pid());
        final MediaDriver.Context context = new MediaDriver.Context()
            .aeronDirectoryName(home.getPath())
            .dirDeleteOnStart(true)
            .dirDeleteOnShutdown(true)
            .threadingMode(ThreadingMode.SHARED)
            .sharedIdleStrategy(new SleepingIdleStrategy(200_000))
            .ipcTermBufferLength(TERM_LENGTH);
        try (MediaDriver driver = MediaDriver.launchEmbedded(context);
            Aeron aeron = Aeron.connect(new Aeron.Context().aeronDirectoryName(driver.aeronDirectoryName())))
        {
            final Peer peer = new Peer(aeron);
            System.out.println("ready " + threadId(peer.sender) + " " + threadId(peer.receiver));
            final BufferedReader requests = new BufferedReader(new InputStreamReader(System.in));
            for (String line = requests.readLine(); line != null; line = requests.readLine())
            {
                final String[] words = line.trim().split(" ");
                try
                {
                    System.out.println("ok " + peer.slice(words[0], Long.parseLong(words[2])));
                }
                catch (final Exception error)
                {
                    System.out.println("error " + error);
                }
            }
        }
        System.exit(0);
    }
}
