"""A ring between two compiled loops: a million records, a few nanoseconds each."""

import multiprocessing

import numpy as np

from ringbuffer import Ring, handle
from ringbuffer.kernel import kernel
from ringbuffer.layout import cursor_index
from ringbuffer.sequence import available, new_local, publish, release, try_claim
from ringbuffer.wait import YIELD, idle

TICK = np.dtype([("price", "<i8"), ("qty", "<i8")])
COUNT = np.int64(1_000_000)
WRITER, READER = np.int64(0), np.int64(1)  # participants: the writer, then the readers in their order
WRITER_CURSOR, READER_CURSOR = cursor_index(0), cursor_index(1)


@kernel
def produce(words, slots, local, capacity, count):
    """Publish ``count`` records one by one."""
    sent, spins = np.int64(0), np.int64(0)
    while sent < count:
        seq = try_claim(words, local, capacity, np.int64(1))
        if seq < 0:  # full: wait for the reader to be done with the slot
            spins = idle(YIELD, spins, words, WRITER, local[0] + 1 - capacity)
            continue
        spins = np.int64(0)
        slots[seq & (capacity - 1)].price = seq
        slots[seq & (capacity - 1)].qty = 2
        publish(words, WRITER_CURSOR, seq)
        sent += 1
    return sent


@kernel
def consume(words, slots, capacity, count):
    """Sum up ``count`` records, in as large batches as there are."""
    seq, spins, turnover = np.int64(0), np.int64(0), np.int64(0)
    while seq < count:
        last_seq = available(words, READER)
        if last_seq == seq:
            spins = idle(YIELD, spins, words, READER, seq + 1)
            continue
        spins = np.int64(0)
        for each in range(seq + 1, last_seq + 1):
            tick = slots[each & (capacity - 1)]
            turnover += tick.price * tick.qty
        seq = last_seq
        release(words, READER_CURSOR, seq)
    return turnover


def run_consumer():
    """Hold the reader's place while compiled code does its work."""
    with Ring.attach("kernels", TICK) as ring, ring.consumer("adder"):
        print("turnover", consume(ring.words, ring.slots, np.int64(ring.capacity), COUNT))


if __name__ == "__main__":
    with Ring.create("kernels", 4096, TICK, handle("adder")) as ring:
        child = multiprocessing.Process(target=run_consumer)
        child.start()
        with ring.producer():
            produce(ring.words, ring.slots, new_local(ring.words), np.int64(ring.capacity), COUNT)
        child.join()
