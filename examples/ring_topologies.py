"""A diamond of four processes: two readers beside each other, and one that sees what both are done with."""

import multiprocessing

import numpy as np

from ringbuffer import Ring, diamond

ORDER = np.dtype([("qty", "<i8"), ("risk", "<i8"), ("fee", "<i8")])
COUNT = 10_000


def fill_in(reader: str) -> None:
    """Write one's own field of each record, in place, and pass the batch on."""
    with Ring.attach("diamond", ORDER) as ring, ring.consumer(reader, writable=True) as orders:
        for batch in orders:
            batch[reader] = batch["qty"] * (2 if reader == "risk" else 3)


def join() -> None:
    """Read what both have written: no record comes before both have released it."""
    with Ring.attach("diamond", ORDER) as ring, ring.consumer("book") as orders:
        total = sum(int((batch["risk"] + batch["fee"]).sum()) for batch in orders)
    print(f"risk and fees {total}")


if __name__ == "__main__":
    with Ring.create("diamond", 1024, ORDER, diamond("risk", "fee", "book")) as ring:
        left = multiprocessing.Process(target=fill_in, args=("risk",))
        right = multiprocessing.Process(target=fill_in, args=("fee",))
        readers = [left, right, multiprocessing.Process(target=join)]
        for reader in readers:
            reader.start()
        with ring.producer() as orders:
            for qty in range(COUNT):
                orders.publish((qty, 0, 0))
        for reader in readers:
            reader.join()
