import exchange.core2.collections.objpool.ObjectsPool;
import exchange.core2.core.common.CoreSymbolSpecification;
import exchange.core2.core.common.IOrder;
import exchange.core2.core.common.MatcherEventType;
import exchange.core2.core.common.MatcherTradeEvent;
import exchange.core2.core.common.OrderAction;
import exchange.core2.core.common.OrderType;
import exchange.core2.core.common.SymbolType;
import exchange.core2.core.common.cmd.CommandResultCode;
import exchange.core2.core.common.cmd.OrderCommand;
import exchange.core2.core.common.cmd.OrderCommandType;
import exchange.core2.core.common.config.LoggingConfiguration;
import exchange.core2.core.orderbook.IOrderBook;
import exchange.core2.core.orderbook.OrderBookDirectImpl;
import exchange.core2.core.orderbook.OrderBookEventsHelper;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

/**
 * The matching of exchange-core as a peer of benchmarks/matching.py: its OrderBookDirectImpl, and nothing else of it.
 *
 * <p>{@code java Peer FLOW COUNT} loads a flow file (benchmarks/flow_file.py) and answers {@code ready TID TID}, writer
 * and reader, so that whoever started it can pin them. Then each line {@code run} is answered by {@code ok {...}}. The
 * writer calls {@code IOrderBook.processCommand} for one command after the other, as the matching engine of
 * exchange-core does; there is no risk, no ring in front and no second pass behind it. Events of the matcher come from
 * a pool, as in exchange-core, and are walked, turned into reports of four words and given back; reports go through a
 * ring for one producer and one consumer, published after every 64 commands. A run makes the books anew, sends the rows
 * before the clock starts, waits until the reader has read all reports of them, starts the clock, sends COUNT more rows,
 * and stops the clock when the reader has read the last report. Making books and loading the flow are not timed.
 *
 * <p>A replace that changes the price alone is the MOVE of exchange-core, fewer lots at the same price are its REDUCE;
 * it has nothing for the others, which become CANCEL and PLACE_ORDER of the same order.
 */
public final class Peer
{
    private static final long MAGIC = 0x574F4C46474E4952L;
    private static final int ROW_WORDS = 6;
    private static final int RING = 1 << 16;
    private static final int BATCH = 64;
    private static final long DIGEST_FACTOR = 1_000_003;
    private static final int NEW = 1;
    private static final int CANCEL = 2;
    private static final int REPLACE = 3;
    private static final int ACCEPTED = 1;
    private static final int TRADED = 2;
    private static final int REST = 3;
    private static final int CANCELLED = 4;
    private static final int REPLACED = 5;
    private static final int REJECTED = 6;
    private static final int END = 7;

    /** A ring for one producer and one consumer; reports are four words. */
    private static final class Ring
    {
        private static final VarHandle WRITTEN;
        private static final VarHandle READ;
        private static final int WRITTEN_AT = 16;
        private static final int READ_AT = 48;

        static
        {
            WRITTEN = MethodHandles.arrayElementVarHandle(long[].class);
            READ = WRITTEN;
        }

        final long[] slots = new long[RING * 4];
        private final long[] cursors = new long[80]; // far apart, and from the array's ends
        private long next;
        private long knownRead;

        void push(final long head, final long order, final long price, final long lots)
        {
            if (next - knownRead == RING)
            {
                publish();
                while (next - knownRead == RING)
                {
                    Thread.onSpinWait();
                    knownRead = (long)READ.getAcquire(cursors, READ_AT);
                }
            }
            final int at = ((int)next & (RING - 1)) << 2;
            slots[at] = head;
            slots[at + 1] = order;
            slots[at + 2] = price;
            slots[at + 3] = lots;
            next++;
        }

        void publish()
        {
            WRITTEN.setRelease(cursors, WRITTEN_AT, next);
        }

        long written()
        {
            return (long)WRITTEN.getAcquire(cursors, WRITTEN_AT);
        }

        void release(final long cursor)
        {
            READ.setRelease(cursors, READ_AT, cursor);
        }

        void awaitReader()
        {
            publish();
            while ((long)READ.getAcquire(cursors, READ_AT) < next)
            {
                Thread.onSpinWait();
            }
        }
    }

    /** Events that were walked, for the book to use again. */
    private static final class EventPool
    {
        private MatcherTradeEvent free;

        MatcherTradeEvent take()
        {
            final MatcherTradeEvent event = free;
            if (event == null)
            {
                return new MatcherTradeEvent();
            }
            free = event.nextEvent;
            event.nextEvent = null;
            return event;
        }

        void give(final MatcherTradeEvent first, final MatcherTradeEvent last)
        {
            last.nextEvent = free;
            free = first;
        }
    }

    /** The reader: takes every word, and keeps what the run is verified by. */
    private static final class Totals
    {
        long reports;
        long trades;
        long lots;
        long rejects;
        long digest;
        long sum;
        long endNs;

        void read(final Ring ring)
        {
            final long[] slots = ring.slots;
            long cursor = 0;
            while (true)
            {
                final long written = ring.written();
                if (written == cursor)
                {
                    Thread.onSpinWait();
                    continue;
                }
                for (; cursor < written; cursor++)
                {
                    final int at = ((int)cursor & (RING - 1)) << 2;
                    final long head = slots[at];
                    sum += head + slots[at + 1] + slots[at + 2] + slots[at + 3];
                    switch ((int)head & 0xFF)
                    {
                        case TRADED:
                            trades++;
                            lots += slots[at + 3];
                            digest = digest * DIGEST_FACTOR + (head >> 8);
                            digest = digest * DIGEST_FACTOR + slots[at + 1];
                            digest = digest * DIGEST_FACTOR + slots[at + 2];
                            digest = digest * DIGEST_FACTOR + slots[at + 3];
                            break;
                        case REJECTED:
                            rejects++;
                            break;
                        case END:
                            endNs = System.nanoTime();
                            return;
                        default:
                            break;
                    }
                    reports++;
                }
                ring.release(cursor);
            }
        }
    }

    /** The writer: the books, and the flow in memory. */
    private static final class Books
    {
        private final EventPool events = new EventPool();
        private final IOrderBook[] books;
        private final OrderCommand command = new OrderCommand();
        private final Ring ring;

        Books(final int instruments, final Ring ring)
        {
            this.ring = ring;
            final OrderBookEventsHelper helper = new OrderBookEventsHelper(events::take);
            final Map<Integer, Integer> sizes = new HashMap<>(); // as the matching engine of exchange-core has them
            sizes.put(ObjectsPool.DIRECT_ORDER, 1024 * 1024);
            sizes.put(ObjectsPool.DIRECT_BUCKET, 1024 * 64);
            sizes.put(ObjectsPool.ART_NODE_4, 1024 * 32);
            sizes.put(ObjectsPool.ART_NODE_16, 1024 * 16);
            sizes.put(ObjectsPool.ART_NODE_48, 1024 * 8);
            sizes.put(ObjectsPool.ART_NODE_256, 1024 * 4);
            final ObjectsPool pool = new ObjectsPool(sizes);
            books = new IOrderBook[instruments];
            for (int index = 0; index < instruments; index++)
            {
                final CoreSymbolSpecification symbol = CoreSymbolSpecification.builder()
                    .symbolId(index + 1).type(SymbolType.FUTURES_CONTRACT).baseCurrency(1).quoteCurrency(2)
                    .baseScaleK(1).quoteScaleK(1).build();
                books[index] = new OrderBookDirectImpl(symbol, pool, helper, LoggingConfiguration.DEFAULT);
            }
        }

        private CommandResultCode process(final IOrderBook book, final OrderCommandType type)
        {
            command.command = type;
            command.resultCode = CommandResultCode.VALID_FOR_MATCHING_ENGINE;
            command.matcherEvent = null;
            command.resultCode = IOrderBook.processCommand(book, command);
            return command.resultCode;
        }

        /** Report what the matcher did, and give its events back; a reduce event is what a cancel or reduce took. */
        private void report(final long row)
        {
            final MatcherTradeEvent first = command.matcherEvent;
            if (first == null)
            {
                return;
            }
            MatcherTradeEvent event = first;
            while (true)
            {
                if (event.eventType == MatcherEventType.TRADE)
                {
                    ring.push(TRADED | row << 8, event.matchedOrderId, event.price, event.size);
                }
                else if (event.eventType == MatcherEventType.REJECT)
                {
                    ring.push(REST | row << 8, command.orderId, 0, event.size);
                }
                if (event.nextEvent == null)
                {
                    break;
                }
                event = event.nextEvent;
            }
            events.give(first, event);
            command.matcherEvent = null;
        }

        private void place(final IOrderBook book, final long head, final long row, final long price, final long qty)
        {
            command.price = price;
            command.size = qty;
            command.reserveBidPrice = price;
            command.action = (head >> 8 & 0xFF) == 1 ? OrderAction.BID : OrderAction.ASK;
            command.orderType = (head >> 16 & 0xFF) == 1 ? OrderType.GTC : OrderType.IOC;
            process(book, OrderCommandType.PLACE_ORDER);
            report(row);
        }

        /** Answer a command that names an order. */
        private void answer(final CommandResultCode code, final int done, final long row, final long price, final long qty)
        {
            final int what = code == CommandResultCode.SUCCESS ? done : REJECTED;
            ring.push(what | row << 8, command.orderId, price, qty);
            report(row);
        }

        void apply(final long[] words, final int index)
        {
            final int at = (index + 1) * ROW_WORDS;
            final long row = index + 1;
            final long head = words[at];
            final long price = words[at + 2];
            final long qty = words[at + 3];
            final long less = words[at + 4];
            final IOrderBook book = books[(int)(head >> 32) - 1];
            command.orderId = words[at + 1];
            command.uid = words[at + 5];
            switch ((int)head & 0xFF)
            {
                case NEW:
                    ring.push(ACCEPTED | row << 8, command.orderId, price, qty);
                    place(book, head, row, price, qty);
                    break;
                case CANCEL:
                    answer(process(book, OrderCommandType.CANCEL_ORDER), CANCELLED, row, 0, 0);
                    break;
                case REPLACE:
                    replace(book, head, row, price, qty, less);
                    break;
                default:
                    command.size = less;
                    answer(process(book, OrderCommandType.REDUCE_ORDER), REPLACED, row, price, qty);
                    break;
            }
        }

        private void replace(
            final IOrderBook book, final long head, final long row, final long price, final long qty, final long less)
        {
            if (less == 0)
            {
                final IOrder order = book.getOrderById(command.orderId);
                if (order == null || order.getPrice() != price)
                {
                    command.price = price;
                    answer(process(book, OrderCommandType.MOVE_ORDER), REPLACED, row, price, qty);
                    return;
                }
            }
            final CommandResultCode code = process(book, OrderCommandType.CANCEL_ORDER);
            answer(code, REPLACED, row, price, qty);
            if (code == CommandResultCode.SUCCESS)
            {
                place(book, head, row, price, qty);
            }
        }

        long orders()
        {
            long total = 0;
            for (final IOrderBook book : books)
            {
                total += book.getOrdersNum(OrderAction.BID) + book.getOrdersNum(OrderAction.ASK);
            }
            return total;
        }

        long lots()
        {
            long total = 0;
            for (final IOrderBook book : books)
            {
                total += book.getTotalOrdersVolume(OrderAction.BID) + book.getTotalOrdersVolume(OrderAction.ASK);
            }
            return total;
        }
    }

    /** A thread that sleeps between runs. */
    private static final class Seat
    {
        final CountDownLatch named = new CountDownLatch(1);
        private Runnable work;
        private CountDownLatch done;
        private Throwable failure;
        long threadId;

        Seat(final String name)
        {
            final Thread thread = new Thread(this::serve, name);
            thread.setDaemon(true);
            thread.start();
        }

        private synchronized void serve()
        {
            try
            {
                threadId = Long.parseLong(Files.readSymbolicLink(Path.of("/proc/thread-self")).getFileName().toString());
                named.countDown();
                while (true)
                {
                    while (work == null)
                    {
                        wait();
                    }
                    try
                    {
                        work.run();
                    }
                    catch (final Throwable error)
                    {
                        failure = error;
                    }
                    work = null;
                    done.countDown();
                }
            }
            catch (final Exception error)
            {
                throw new IllegalStateException(error);
            }
        }

        synchronized CountDownLatch start(final Runnable newWork)
        {
            done = new CountDownLatch(1);
            work = newWork;
            notifyAll();
            return done;
        }

        void check()
        {
            if (failure != null)
            {
                throw new IllegalStateException(failure);
            }
        }
    }

    private final long[] words;
    private final int rows;
    private final int prefill;
    private final int instruments;
    private final Seat writer = new Seat("writer");
    private final Seat reader = new Seat("reader");
    private long startNs;
    private Books books;

    private Peer(final String file, final int count) throws Exception
    {
        try (FileChannel channel = FileChannel.open(Path.of(file)))
        {
            final ByteBuffer bytes = ByteBuffer.allocate((int)channel.size()).order(ByteOrder.LITTLE_ENDIAN);
            while (bytes.hasRemaining() && channel.read(bytes) >= 0)
            {
                // until all is there
            }
            words = new long[bytes.flip().remaining() / 8];
            bytes.asLongBuffer().get(words);
        }
        if (words[0] != MAGIC)
        {
            throw new IllegalArgumentException("expected a flow file");
        }
        prefill = (int)words[2];
        rows = Math.min((int)words[1], prefill + count);
        instruments = (int)words[3];
        writer.named.await();
        reader.named.await();
    }

    private void send(final Ring ring, final int first, final int last)
    {
        for (int index = first; index < last; index++)
        {
            books.apply(words, index);
            if (index % BATCH == 0)
            {
                ring.publish();
            }
        }
        ring.publish();
    }

    private String run() throws InterruptedException
    {
        final Ring ring = new Ring();
        final Totals totals = new Totals();
        books = new Books(instruments, ring);
        System.gc(); // of the books of the run before
        final CountDownLatch read = reader.start(() -> totals.read(ring));
        final CountDownLatch written = writer.start(() ->
        {
            try
            {
                send(ring, 0, prefill);
                ring.awaitReader();
                startNs = System.nanoTime();
                send(ring, prefill, rows);
            }
            finally
            {
                ring.push(END, 0, 0, 0);
                ring.publish();
            }
        });
        written.await();
        read.await();
        writer.check();
        reader.check();
        final String answer = String.format(
            "{\"ns\":%d,\"reports\":%d,\"trades\":%d,\"lots\":%d,\"rejects\":%d,\"digest\":%d,"
                + "\"resting_orders\":%d,\"resting_lots\":%d}",
            totals.endNs - startNs, totals.reports, totals.trades, totals.lots, totals.rejects, totals.digest,
            books.orders(), books.lots());
        books = null;
        return answer;
    }

    public static void main(final String[] arguments) throws Exception
    {
        final Peer peer = new Peer(arguments[0], Integer.parseInt(arguments[1]));
        System.out.println("ready " + peer.writer.threadId + " " + peer.reader.threadId);
        final BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine())
        {
            try
            {
                System.out.println(line.equals("run") ? "ok " + peer.run() : "error expected run, was " + line);
            }
            catch (final Exception error)
            {
                System.out.println("error " + error);
            }
        }
    }
}
