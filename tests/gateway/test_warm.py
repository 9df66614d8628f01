"""Warming: after it nothing is compiled any more, in no command."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import SAMPLES, Lab, Process, command, laboratory, until
from tests.e2e.kernels import load_all_kernels


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Provide a laboratory with the kernels loaded."""
    load_all_kernels()
    with laboratory(tmp_path) as made:
        yield made


def compiled() -> dict[tuple[str, str], int]:
    """Return how many signatures each kernel is compiled for."""
    from numba.core.dispatcher import Dispatcher

    kernels = [thing for thing in gc.get_objects() if isinstance(thing, Dispatcher)]
    return {(kernel.__module__, kernel.__name__): len(kernel.signatures) for kernel in kernels}


def run_and_count(lab: Lab, *arguments: object) -> Process:
    """Run a command line that fails if it compiles a kernel for a type that was not there before."""

    def body() -> int:
        before = compiled()
        code = command(*arguments)()
        grown = {name: count for name, count in compiled().items() if count > before.get(name, 0)}
        assert not grown, f"compiled by {arguments}: {grown}"
        return code

    process = Process(lab.directory, lab._name(str(arguments[0])), body)
    lab.processes.append(process)
    return process


FLOWS: list[tuple[Any, ...]] = [
    ("fix", SAMPLES / "orders.fix"),
    ("binary", SAMPLES / "orders.rmb"),
    ("itch", SAMPLES / "sample.itch"),
    ("synthetic", "--orders", 2000),
]


def test_no_command_compiles(lab: Lab) -> None:
    """Injecting each kind of file, recovering and replaying use the kernels as they were warmed."""
    lab.pipeline(max_instruments=1024).stop()
    pipeline = run_and_count(lab, "start", "--config", lab.directory / "venue.toml", "--data", lab.data)
    until(lambda: "\nready\n" in pipeline.stdout or not pipeline.running, "the pipeline to be ready")
    assert pipeline.running, pipeline.text
    for flow in FLOWS:
        injector = run_and_count(
            lab, "inject", *flow, "--data", lab.data, "--out", lab.directory / "out.jsonl"
        )
        assert injector.wait() == 0, injector.text
    pipeline.send(15)
    assert pipeline.wait() == 0, pipeline.text
    replay = run_and_count(lab, "replay", lab.data, "--verify", "--out", lab.directory / "replayed.jsonl")
    assert replay.wait() == 0, replay.text
