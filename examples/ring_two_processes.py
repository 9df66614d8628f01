"""Two processes and one ring: the parent publishes trades, the child sums them up as they arrive."""

import multiprocessing

import numpy as np

from ringbuffer import Ring

TRADE = np.dtype([("price", "<i8"), ("qty", "<i8")])


def consume() -> None:
    """Read batches, as structured arrays on the ring itself, until the producer ends the stream."""
    with Ring.attach("example", TRADE) as ring, ring.consumer("adder") as trades:
        turnover = sum(int((batch["price"] * batch["qty"]).sum()) for batch in trades)
    print(f"turnover {turnover}")


if __name__ == "__main__":
    with Ring.create("example", capacity=1024, dtype=TRADE, readers={"adder": ()}) as ring:
        child = multiprocessing.Process(target=consume)
        child.start()
        with ring.producer() as trades:
            trades.publish((101, 5))
            with trades.claim(1000) as claim:
                for view in claim.views:
                    view["price"], view["qty"] = 100, 2
        child.join()
