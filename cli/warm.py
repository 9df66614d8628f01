"""Make the kernels ready before a command needs them: compile once with a progress bar, or load the cache."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from cli.render import ProgressBar

__all__ = ["compile_with_bar", "ensure_compiled", "load_pipeline"]


def _mark() -> Path:
    from ringbuffer.cache import cache_root, complete_mark

    return cache_root() / complete_mark()


def ensure_compiled(say: Callable[[str], None], update: Callable[[int, int], None]) -> float:
    """Compile all kernels into the cache, unless that was done; return the seconds it took.

    Two processes share the work, each on a core of its own, and meet in the cache. They are gone when this
    returns, so the caller has neither threads nor half-loaded kernels.
    """
    if _mark().exists():
        return 0.0
    say("compiling kernels, once (about half a minute; later starts use the cache)")
    started = time.monotonic()
    count = _count_steps()
    read_fd, write_fd = os.pipe()
    pids = [_compile_in_child(half, read_fd, write_fd) for half in (0, 1)]
    os.close(write_fd)
    done = 0
    update(done, count)
    with os.fdopen(read_fd, "rb", buffering=0) as steps:
        while steps.read(1):
            done += 1
            update(done, count)
    failed = [pid for pid in pids if os.waitpid(pid, 0)[1]]
    if failed:
        raise RuntimeError("kernels could not be compiled (see above)")
    _mark().touch()
    return time.monotonic() - started


def compile_with_bar(say: Callable[[str], None], shown: bool | None = None) -> None:
    """Compile the kernels if that was never done, with a bar if stderr is a terminal."""
    with ProgressBar("compiling", shown=shown) as bar:
        ensure_compiled(say, bar.update)


def _compile_in_child(half: int, read_fd: int, write_fd: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.close(read_fd)
        for step in _steps(half):
            step()
            os.write(write_fd, b".")
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def _steps(half: int) -> list[Callable[[], None]]:
    """Return the first half (the pipeline's loop and what it holds) or the second (all else)."""
    from gateway.warm import STEPS as GATEWAY
    from stages.warm import LOOP_STEPS, OTHER_STEPS

    return list(LOOP_STEPS.values()) if half == 0 else [*OTHER_STEPS.values(), *GATEWAY.values()]


def _count_steps() -> int:
    return len(_steps(0)) + len(_steps(1))


def load_pipeline() -> None:
    """Load the kernels that a supervisor and its workers run, so that a fork has them."""
    from stages.warm import load_kernels

    load_kernels()
