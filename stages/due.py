"""What is due by time, carried out before the command that brings the time (docs/trading-states.md)."""

from __future__ import annotations

import numpy as np

from protocols.codes import OUT_EXPIRED, OUTFLAG_UNSOLICITED, REASON_GTD_EXPIRED, STATE_CONTINUOUS
from ringbuffer.kernel import kernel
from stages.auction import indicate, is_auction, tell_indications
from stages.book_feed import leave_book
from stages.emit import emit_order
from stages.hashing import id_find
from stages.orders import leaves_of
from stages.state_words import MW_TIMERS, MW_TOUCHED_HEAD
from stages.states import enter_group, enter_state
from stages.timers import (
    WHAT_ORDER,
    WHAT_SCHEDULE,
    WHAT_VOLATILITY,
    WHEN,
    add_timer,
    key_index,
    key_what,
    pop_timer,
    venue_key,
)

__all__ = ["add_schedule", "carry_out_due", "clear_schedules"]


@kernel
def _expire_order(s, command, order_id):  # type: ignore[no-untyped-def]
    order = id_find(s.order_map, s.order_keys, order_id)
    emit_order(
        s,
        command,
        order,
        np.int64(OUT_EXPIRED),
        np.int64(REASON_GTD_EXPIRED),
        np.int64(OUTFLAG_UNSOLICITED),
        leaves_of(s, order),
        np.int64(0),
    )
    leave_book(s, command, order)
    return 0


@kernel
def _set_schedule_timer(s, command, row):  # type: ignore[no-untyped-def]
    schedule = s.schedules[row]
    schedule.key = venue_key(np.int64(WHAT_SCHEDULE), row, command.seq)
    add_timer(s, np.int64(schedule.due_ns), np.int64(schedule.key))
    return 0


@kernel
def add_schedule(s, command):  # type: ignore[no-untyped-def]
    """Put a SCHEDULE command into the first free row; tell whether there was one."""
    for row in range(s.schedules.shape[0]):
        schedule = s.schedules[row]
        if schedule.due_ns == 0:
            schedule.due_ns = command.aux1
            schedule.period_ns = command.aux0
            schedule.group = command.account
            schedule.state = command.ord_type
            _set_schedule_timer(s, command, np.int64(row))
            return True
    return False


@kernel
def clear_schedules(s, group):  # type: ignore[no-untyped-def]
    """Free the rows of a group."""
    for row in range(s.schedules.shape[0]):
        if s.schedules[row].group == group:
            s.schedules[row].due_ns = 0
    return 0


@kernel
def _carry_out_schedule(s, command, row):  # type: ignore[no-untyped-def]
    schedule = s.schedules[row]
    group = np.int64(schedule.group)
    state = np.int64(schedule.state)
    if schedule.period_ns == 0:
        schedule.due_ns = 0
    else:
        missed = (command.time_ns - np.int64(schedule.due_ns)) // np.int64(schedule.period_ns)
        schedule.due_ns += (missed + 1) * np.int64(schedule.period_ns)
        _set_schedule_timer(s, command, np.int64(row))
    enter_group(s, command, group, state)
    return 0


@kernel
def carry_out_due(s, command):  # type: ignore[no-untyped-def]
    """Carry out all that is due at the time of a command."""
    while s.words[MW_TIMERS] > 0 and s.timers[0, WHEN] <= command.time_ns:
        key = np.int64(pop_timer(s))
        if key == 0:
            continue
        what = key_what(key)
        index = key_index(key)
        if what == WHAT_ORDER:
            _expire_order(s, command, key)
        elif what == WHAT_SCHEDULE:
            _carry_out_schedule(s, command, index)
        elif what == WHAT_VOLATILITY:
            enter_state(s, command, index, np.int64(STATE_CONTINUOUS))
        else:
            s.markets[index].indication_due_ns = 0
            if is_auction(s.markets[index].state):
                indicate(s, command, index, np.int64(0))
    if s.words[MW_TOUCHED_HEAD] != 0:
        tell_indications(s, command)
    return 0
