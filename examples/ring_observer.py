"""An observer of a fast ring: it takes no place and slows nobody, and is told exactly what it missed."""

import multiprocessing

import numpy as np

from ringbuffer import Ring, handle

TICK = np.dtype([("seq", "<i8"), ("price", "<i8")])
COUNT = 128 * 2000


def look_on(ready) -> None:
    """Keep the last price; whatever was overwritten before it was seen counts as missed."""
    with Ring.attach("observed", TICK) as ring:
        observer = ring.observe()
        ready.set()
        seen, price = 0, 0
        for first_seq, ticks, _missed in observer.batches(timeout=60.0):
            assert ticks["seq"].tolist() == list(range(first_seq, first_seq + len(ticks)))
            seen += len(ticks)
            price = int(ticks["price"][-1]) if len(ticks) else price
    print(f"seen and missed {seen + observer.missed}, last price {price}")


if __name__ == "__main__":
    with Ring.create("observed", 256, TICK, handle("book")) as ring:
        ready = multiprocessing.Event()
        child = multiprocessing.Process(target=look_on, args=(ready,))
        child.start()
        ready.wait()
        ticks = np.zeros(128, TICK)
        with ring.producer() as out, ring.consumer("book") as book:
            for first_seq in range(1, COUNT + 1, len(ticks)):
                ticks["seq"] = np.arange(first_seq, first_seq + len(ticks))
                ticks["price"] = ticks["seq"] % 1000
                out.publish(ticks)
                book.poll()
                book.release()
        child.join()
