"""The flows of the matching benchmark are what they are called: mixes, venues, and what rests at the start."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.matching_flows import FLOWS, flow_workload
from benchmarks.workload import Bench, reference
from protocols.codes import KIND_CANCEL, KIND_NEW, KIND_REPLACE, TIF_IOC
from protocols.flow import PROFILES

BY_NAME = {flow.name: flow for flow in FLOWS}


def test_five_flows_are_judged() -> None:
    """A normal flow, a deep book, two pairs of swinging markets, a crash; exchange-core's sets are beside them."""
    assert [flow.name for flow in FLOWS if flow.judged] == ["normal", "deep", "swing", "swing-wide", "crash"]
    assert [flow.name for flow in FLOWS if not flow.judged] == ["moves", "medium"]
    assert {flow.profile for flow in FLOWS} == set(PROFILES)


@pytest.mark.parametrize("name", ["moves", "medium"])
def test_the_mix_of_exchange_core(name: str) -> None:
    """9% new orders that may rest, 3% IOC, 6% cancels, 82% moves, behind orders that fill the books."""
    flow = BY_NAME[name]._replace(instruments=min(BY_NAME[name].instruments, 500), resting=1_000)
    flow = flow._replace(resting=100 * flow.instruments if flow.instruments > 1 else 1_000)
    workload = flow_workload(flow, "full", 100_000)
    assert workload.prefill == flow.resting
    assert workload.flow_count == flow.resting + 100_000
    assert (workload.commands[workload.setup : workload.lead]["kind"] == KIND_NEW).all()
    body = workload.commands[workload.lead :]
    iocs = np.mean(body["tif"] == TIF_IOC)
    kinds = [np.mean(body["kind"] == kind) for kind in (KIND_NEW, KIND_CANCEL, KIND_REPLACE)]
    assert [kinds[0] - iocs, iocs, *kinds[1:]] == pytest.approx([0.09, 0.03, 0.06, 0.82], abs=0.01)
    assert len(np.unique(body["instrument"])) == flow.instruments
    assert len(np.unique(body["account"])) == flow.accounts


def test_quick_sets_are_smaller() -> None:
    """In quick mode the medium set has a tenth of the books and of the orders."""
    workload = flow_workload(BY_NAME["medium"], "quick", 50_000)
    assert workload.capacities.max_instruments == 1_000
    assert workload.prefill == 100_000


def test_the_sets_of_exchange_core_are_accepted_whole() -> None:
    """Venue and accounts have room: risk and books reject no new order."""
    for name in ("moves", "medium"):
        flow = BY_NAME[name]
        if flow.instruments > 1:
            flow = flow._replace(instruments=200, resting=20_000)
        workload = flow_workload(flow, "full", 20_000)
        wanted = reference(Bench(workload))
        named = np.isin(workload.commands["kind"], (KIND_CANCEL, KIND_REPLACE)).sum()
        assert 0 < wanted.rejects < 0.1 * named
