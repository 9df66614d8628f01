"""Three producers on one ring; one is killed between claim and publish, and its slots become padding."""

import multiprocessing
import os
import signal

import numpy as np

from ringbuffer import Ring, handle

TICK = np.dtype([("source", "<i8"), ("price", "<i8")])


def produce(source: int, count: int) -> None:
    """Publish records one by one; do not end the stream, since another producer may only be starting."""
    with Ring.attach("several", TICK) as ring, ring.producer(keep_open=True) as ticks:
        for price in range(count):
            ticks.publish((source, price))


def die(source: int) -> None:
    """Publish one record, claim four more, and be killed."""
    ring = Ring.attach("several", TICK)
    ticks = ring.producer()
    ticks.publish((source, 0))
    ticks.claim(4)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    with Ring.create("several", 64, TICK, handle("reader"), producers=3) as ring:
        victim = multiprocessing.Process(target=die, args=(3,))
        victim.start()
        victim.join()
        print("open:", *(f"{claim.size} slots of {claim.producer}" for claim in ring.open_claims()))
        others = [multiprocessing.Process(target=produce, args=(source, 1000)) for source in (1, 2)]
        for other in others:
            other.start()
        counts = np.zeros(4, int)
        with ring.consumer("reader") as ticks:
            while counts.sum() < 2001:  # nobody waits for the dead one
                ticks.wait(timeout=60.0)
                batch = ticks.poll()
                counts += np.bincount(batch["source"], minlength=4)
                ticks.release()
            print(f"received {counts[1:].tolist()}, padded {ticks.padded}")
        for other in others:
            other.join()
