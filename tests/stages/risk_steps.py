"""Steps of risk controls: the commands that set them, and what a venue that has them begins with.

Drawn so that each control is met often: few controls are on at a time, their values are small, limits are set at what
is used and one beside it, windows and rates fit the time that passes between steps, switches are released more often
than engaged. Extreme steps have amounts up to the ends of what fits.
"""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

from protocols.codes import (
    Access,
    CollarUnit,
    CommandFlag,
    KillLevel,
    Kind,
    Limit,
    LimitPart,
    OrdType,
    Permit,
    Side,
    Switch,
    Tif,
)
from protocols.text import pack_text
from tests.stages.steps import LARGEST, Step
from tests.twin.limits import (
    OF_ACCOUNTS_IN_INSTRUMENTS,
    OF_FIRMS,
    OF_INSTRUMENTS,
    WARNS_ACCOUNTS,
    WARNS_FIRMS,
)
from tests.twin.risk_state import ALL_TIFS, ALL_TYPES
from tests.twin.scenario import AMPLE, EUR, USD

SMALLEST = -(2**63)
RISK_KINDS = (
    Kind.LIMIT, Kind.KILL, Kind.PERMIT, Kind.COLLAR, Kind.FEES, Kind.TRANSFER, Kind.FIRM, Kind.ACCOUNT,
    Kind.DAY_BEGIN,
)  # fmt: skip
RISK_STEP_KINDS = st.sampled_from(
    [Kind.NEW] * 34
    + [Kind.REPLACE] * 8
    + [Kind.CANCEL, Kind.CANCEL, Kind.REDUCE, Kind.MASS_CANCEL]
    + [Kind.TICK] * 5
    + [Kind.LIMIT] * 5
    + [Kind.KILL] * 3
    + [Kind.TRANSFER] * 4
    + [Kind.COLLAR, Kind.COLLAR, Kind.PERMIT, Kind.PERMIT, Kind.FEES, Kind.ACCOUNT, Kind.DAY_BEGIN]
    + [Kind.STATE] * 2
)
EXTREME_RISK_KINDS = st.sampled_from(
    [Kind.TRANSFER] * 8 + [Kind.FEES, Kind.FEES, Kind.LIMIT, Kind.DAY_BEGIN, Kind.ACCOUNT, Kind.COLLAR]
)

FORTUNE_KINDS = st.sampled_from(
    [Kind.NEW] * 14
    + [Kind.TRANSFER] * 6
    + [Kind.TICK] * 3
    + [Kind.FEES, Kind.DAY_BEGIN, Kind.ACCOUNT, Kind.LIMIT]
)
ACCOUNT_NAMES = {1: "ALICE", 2: "BOB", 3: "CAROL", 4: "DAVE", 5: "FEES"}
PREFUNDED_ACCOUNT, FEE_ACCOUNT = 4, 5
AGAIN_THE_SAME = ("session", "account", "instrument", "side", "ord_type", "price_ticks", "qty_lots", "aux0")
SESSION_NAMES = st.sampled_from(["GW1", "GW1", "GW1", "GW2", "GW2", "GW3"])
ACCOUNTS = st.sampled_from([1, 1, 2, 2, 3, 4, 4, 5])
INSTRUMENTS = st.sampled_from([1, 1, 1, 2])
FIRMS = st.sampled_from([1, 1, 2])
BESIDE = st.sampled_from([-1, 0, 0, 1, 2, 10])

RATES = [0, 5 * 10**6, 2 * 10**7, 3 * 10**7, 10**8, 10**9]  # an interval of 200, 50, 34, 10, 1 ns
BURSTS = [0, 1, 1, 2, 3]
VALUES: dict[Limit, list[int]] = {
    Limit.MAX_ORDER_QTY: [2, 3, 4],
    Limit.MAX_ORDER_NOTIONAL: [20, 30, 40, 50],
    Limit.MAX_OPEN_ORDERS: [0, 1, 2, 3],
    Limit.MAX_LONG: [0, 3, 6, 10],
    Limit.MAX_SHORT: [0, 3, 6, 10],
    Limit.CREDIT: [0, 30, 60, 100],
    Limit.GROSS_NOTIONAL: [60, 100, 200, 400],
    Limit.MAX_LOSS: [0, 1, 5, 10],
    Limit.ORDER_TO_TRADE: [0, 1, 2, 2**20],
    Limit.FREE_MESSAGES: [0, 2, 4, 8],
    Limit.DUPLICATE_COUNT: [0, 1, 1, 2, 2**20],
    Limit.DUPLICATE_WINDOW: [0, 10, 20, 30, 50, 200, 1000, AMPLE],
    Limit.EXECUTION_COUNT: [0, 1, 2, 3, 2**20],
    Limit.EXECUTION_WINDOW: [0, 10, 20, 50, 200, AMPLE],
    Limit.ORDER_RATE: RATES,
    Limit.ORDER_BURST: BURSTS,
    Limit.CANCEL_RATE: RATES,
    Limit.CANCEL_BURST: BURSTS,
}
# What belongs together is set together.
TOGETHER: list[tuple[Limit, ...]] = [
    *((limit,) for limit in Limit if limit <= Limit.MAX_LOSS),
    (Limit.CREDIT, Limit.GROSS_NOTIONAL),
    (Limit.ORDER_TO_TRADE, Limit.FREE_MESSAGES),
    *[
        (Limit.MAX_LOSS,),
        (Limit.DUPLICATE_COUNT, Limit.DUPLICATE_WINDOW),
        (Limit.EXECUTION_COUNT, Limit.EXECUTION_WINDOW),
        (Limit.ORDER_RATE, Limit.ORDER_BURST),
        (Limit.CANCEL_RATE, Limit.CANCEL_BURST),
    ]
    * 3,
]
EXTREME_VALUES = [0, 2**20, 2**40, 2**59, AMPLE - 1, AMPLE]
FEE_RATES = [0, 0, 1, 1000, 100_000, 333_333, 10**6, -1, -100_000, -333_333, -(10**6)]
WIDTHS = [0, 0, 1, 1, 2, 3]
MILLIONTHS = [0, 1, 90_000, 100_000, 100_001, 200_000, 10**6]
EXTREME_WIDTHS = [0, 1, 2**59, 2**60]
EXTREME_AMOUNTS = [1, 2**20, 2**59, 2**60 - 1, 2**60]

WRONG: dict[int, list[tuple[str, int]]] = {
    Kind.LIMIT: [
        *(("account", account) for account in (0, 6, -1)),
        *(("instrument", instrument) for instrument in (4, 5, -1)),
        *(("aux0", firm) for firm in (1, 3, -1, LARGEST, SMALLEST)),
        *(("ord_type", which) for which in (0, 7, 10, 18, 19, 255)),
        *(("tif", part) for part in (1, 2, 255)),
        *(("qty_lots", n) for n in (-1, -2, 101, 2**20 + 1, 10**9 + 1, AMPLE - 1, AMPLE, AMPLE + 1, LARGEST, SMALLEST)),
    ],
    Kind.KILL: [
        *(("side", side) for side in (0, 3, 255)),
        *(("tif", level) for level in (0, 6, 255)),
        *(("ord_type", switch) for switch in (0, 3, 4, 5, 8, 255)),
        *(("account", account) for account in (0, 6, -1)),
        *(("aux0", firm) for firm in (0, 3, -1, 2**32 + 1, LARGEST)),
        *(("instrument", instrument) for instrument in (0, 5, -1)),
        ("orig1", 7),
    ],
    Kind.PERMIT: [
        *(("ord_type", what) for what in (0, 7, 255)),
        *(("qty_lots", value) for value in (-1, 2, 4, 1, 1 << 6, 1 << 17, LARGEST, SMALLEST)),
        *(("account", account) for account in (0, 1, 6, -1)),
        *(("instrument", instrument) for instrument in (0, 1, 4, 5, -1)),
        ("orig0", 0),
    ],
    Kind.COLLAR: [
        *(("instrument", instrument) for instrument in (0, 5, -1)),
        *(("ord_type", unit) for unit in (0, 3, 255)),
        *((name, n) for name in ("order_id", "orig0") for n in (-1, 10**6, 10**6 + 1, 2**60, 2**60 + 1, SMALLEST)),
        *((name, n) for name in ("price_ticks", "aux0") for n in (-1, 2**60, 2**60 + 1, SMALLEST)),
    ],
    Kind.FEES: [
        *(("instrument", instrument) for instrument in (0, 4, 5, -1)),
        *(("account", account) for account in (0, 1, 4, 6, -1)),
        *(
            (name, rate)
            for name in ("price_ticks", "qty_lots", "order_id")
            for rate in (10**6 + 1, -(10**6) - 1, LARGEST, SMALLEST)
        ),
    ],
    Kind.TRANSFER: [
        *(("account", account) for account in (0, 6, -1)),
        *(("instrument", instrument) for instrument in (4, 5, -1)),
        *(("side", side) for side in (0, 3, 255)),
        *(("qty_lots", amount) for amount in (0, -1, 2**60, 2**60 + 1, LARGEST, SMALLEST)),
    ],
    Kind.FIRM: [*(("aux0", firm) for firm in (0, 6, -1, 2**32 + 1, LARGEST)), ("orig2", EUR)],
    Kind.ACCOUNT: [
        *(("account", account) for account in (0, 6, -1)),
        *(("instrument", firm) for firm in (-1, 3, 6, 2**31 - 1)),
        ("orig2", EUR),
        ("flags", CommandFlag.PREFUNDED),
        ("flags", 0),
    ],
    Kind.DAY_BEGIN: [("qty_lots", 1)],
}  # fmt: skip


def session_named(name: str) -> dict[str, int]:
    """Return the fields that name a session in KILL and PERMIT."""
    return dict(zip(("orig0", "orig1", "orig2"), pack_text(name), strict=True))


@cache
@st.composite
def risk_steps(draw: st.DrawFn, kind: int, *, extreme: bool = False) -> Step:
    """Draw a command that sets a control, now and then a wrong one."""
    step = Step(kind, {}, lag=draw(st.integers(0, 5)), cl=draw(st.sampled_from(["", "fresh"])))
    match kind:
        case Kind.LIMIT:
            step.values, step.beside_use = draw(limit_values(extreme=extreme))
        case Kind.KILL:
            step.values = draw(kill_values())
        case Kind.PERMIT:
            step.values = draw(permit_values())
        case Kind.COLLAR:
            step.values = draw(collar_values(extreme=extreme))
        case Kind.FEES:
            step.values = draw(fee_values(extreme=extreme))
        case Kind.TRANSFER:
            step.cl = draw(st.sampled_from(["fresh"] * 10 + ["used", "empty", "TWICE"]))
            step.values, step.beside_use = draw(transfer_values(extreme=extreme))
        case Kind.FIRM:
            firm = draw(st.sampled_from([1, 2, 3]))
            step.values = {"aux0": firm, "orig2": draw(st.sampled_from([USD] * 5 + [EUR]))}
            step.cl = draw(st.sampled_from([f"FIRM{firm}"] * 5 + ["empty", "OTHER"]))
        case Kind.ACCOUNT:
            account = draw(ACCOUNTS)
            step.values = account_values(account, draw(st.sampled_from([0, 1, 1, 2, 2, 3])))
            step.cl = draw(st.sampled_from([ACCOUNT_NAMES[account]] * 9 + ["empty", "OTHER"]))
    if draw(st.integers(0, 9)) == 0:
        name, wrong = draw(st.sampled_from(WRONG[kind]))
        step.values[name] = wrong
    return step


def account_values(account: int, firm: int) -> dict[str, int]:
    """Return the fields of an account."""
    flags = CommandFlag.PREFUNDED if account == PREFUNDED_ACCOUNT else 0
    return {"account": account, "orig2": USD, "instrument": firm, "flags": flags}


@st.composite
def limit_values(draw: st.DrawFn, *, extreme: bool) -> tuple[dict[str, int], int | None]:
    """Draw the fields of a LIMIT, and for a limit that is to be set beside its use, how far beside."""
    holder = draw(
        st.sampled_from(["account"] * 5 + ["firm", "firm", "instrument", "in instrument", "in instrument"])
    )
    values: dict[str, int] = {"flags": draw(st.sampled_from([0, 0, CommandFlag.CONFIGURED]))}
    allowed: tuple[Limit, ...] = tuple(Limit)
    warns: tuple[Limit, ...] = ()
    match holder:
        case "account":
            values["account"], warns = draw(ACCOUNTS), WARNS_ACCOUNTS
        case "firm":
            values["aux0"], allowed, warns = draw(FIRMS), OF_FIRMS, WARNS_FIRMS
        case "instrument":
            values["instrument"], allowed = draw(INSTRUMENTS), OF_INSTRUMENTS
        case _:
            values["account"], values["instrument"] = draw(ACCOUNTS), draw(INSTRUMENTS)
            allowed = OF_ACCOUNTS_IN_INSTRUMENTS
    if warns and draw(st.integers(0, 2)) == 0:
        values["ord_type"], values["tif"] = draw(st.sampled_from(warns)), LimitPart.WARNING
        values["qty_lots"] = draw(st.sampled_from([0, 1, 1, 50, 80, 99, 100, 100]))
        return values, None
    limit = draw(st.sampled_from(allowed))
    values["ord_type"] = limit
    if extreme and limit <= Limit.FREE_MESSAGES:
        values["qty_lots"] = draw(st.sampled_from(EXTREME_VALUES))
        return values, draw(st.sampled_from([None, None, -1, 0, 1]))
    values["qty_lots"] = draw(
        st.sampled_from([*VALUES[limit], AMPLE, AMPLE, AMPLE] + [-1] * (limit % 3 == 0))
    )
    near = limit in (*WARNS_ACCOUNTS, Limit.FREE_MESSAGES) and draw(st.booleans())
    return values, draw(BESIDE) if near else None


@st.composite
def kill_values(draw: st.DrawFn) -> dict[str, int]:
    """Draw the fields of a KILL."""
    level = draw(st.sampled_from([*KillLevel, KillLevel.FIRM, *[KillLevel.ACCOUNT] * 3]))
    side = draw(st.sampled_from([1, 2, 2, 2] if level == KillLevel.VENUE else [1, 2, 2]))
    switches = [Switch.KILLED, Switch.REDUCING, Switch.REDUCING]
    if level == KillLevel.ACCOUNT and side == 2:
        switches = [Switch.KILLED, Switch.REDUCING, *[Switch.THROTTLED] * 4]
    return {
        "tif": level,
        "side": side,
        "ord_type": draw(st.sampled_from(switches)),
        "account": draw(st.sampled_from([1, 1, 1, 2, 2, 3, 4])),
        "aux0": draw(FIRMS),
        "instrument": draw(INSTRUMENTS),
        **session_named(draw(SESSION_NAMES)),
    }


@st.composite
def permit_values(draw: st.DrawFn) -> dict[str, int]:
    """Draw the fields of a PERMIT."""
    what = draw(st.sampled_from([*Permit, Permit.SESSION, Permit.SHORT_SALES]))
    values = {"ord_type": what, "account": draw(ACCOUNTS)}
    match what:
        case Permit.SESSION:
            values["account"] = draw(st.sampled_from([0, 0, 1, 1, 2, 3, 4]))
            values["qty_lots"] = draw(st.sampled_from([0, 1]))
            values |= session_named(draw(st.sampled_from(["GW1", "GW1", "GW2", "GW2", "GW3", "GW4"])))
        case Permit.ORDER_TYPES:
            most = [1 << OrdType.LIMIT, ALL_TYPES & ~(1 << OrdType.LIMIT), 0]
            values["qty_lots"] = draw(st.sampled_from([*[ALL_TYPES] * 3, *most]))
        case Permit.TIFS:
            most = [1 << Tif.GTC, ALL_TIFS & ~(1 << Tif.GTC)]
            values["qty_lots"] = draw(st.sampled_from([*[ALL_TIFS] * 3, *most]))
        case Permit.GROUPS:
            groups = [-1, -1, 0, 1, 2, SMALLEST, LARGEST]
            values["qty_lots"] = draw(st.sampled_from(groups))
        case Permit.INSTRUMENT:
            values["instrument"] = draw(INSTRUMENTS)
            values["qty_lots"] = draw(st.sampled_from([*Access, Access.REDUCING]))
        case Permit.SHORT_SALES:
            if draw(st.integers(0, 2)) > 0:
                values["account"], values["instrument"] = 0, draw(INSTRUMENTS)
            values["qty_lots"] = draw(st.sampled_from([0, 0, 1]))
    return values


@st.composite
def collar_values(draw: st.DrawFn, *, extreme: bool) -> dict[str, int]:
    """Draw the fields of a COLLAR."""
    unit = draw(st.sampled_from(CollarUnit))
    widths = MILLIONTHS if unit == CollarUnit.MILLIONTHS else EXTREME_WIDTHS if extreme else WIDTHS
    references = EXTREME_AMOUNTS if extreme else [8, 9, 10, 10, 11, 12]
    return {
        "instrument": draw(st.sampled_from([1, 3]) if extreme else INSTRUMENTS),
        "ord_type": unit,
        "order_id": draw(st.sampled_from(widths)),
        "orig0": draw(st.sampled_from(widths)),
        "price_ticks": draw(st.sampled_from([0, 0, *references])),
        "aux0": draw(st.sampled_from([0, 0, 0, 10, 20, 30, 60, 200, 2**60])),
    }


@st.composite
def fee_values(draw: st.DrawFn, *, extreme: bool) -> dict[str, int]:
    """Draw the fields of a FEES."""
    return {
        "instrument": draw(st.sampled_from([1, 3]) if extreme else INSTRUMENTS),
        "account": draw(st.sampled_from([3] if extreme else [FEE_ACCOUNT] * 6 + [1])),
        "price_ticks": draw(st.sampled_from(FEE_RATES)),
        "qty_lots": draw(st.sampled_from(FEE_RATES)),
        "order_id": draw(st.sampled_from(FEE_RATES)),
    }


@st.composite
def transfer_values(draw: st.DrawFn, *, extreme: bool) -> tuple[dict[str, int], int | None]:
    """Draw the fields of a TRANSFER, and how far beside what is free a withdrawal is."""
    instrument = draw(st.sampled_from([0, 0, 1, 3] if extreme else [0, 0, 0, 1, 1, 2]))
    side = draw(st.sampled_from([1, 1, 2]))
    small = [1, 2, 5, 10] if instrument else [1, 10, 30, 100]
    values = {
        "account": draw(st.sampled_from([1, 2, 3]) if extreme else st.sampled_from([4, 4, 4, 1, 2, 5])),
        "instrument": instrument,
        "side": side,
        "qty_lots": draw(st.sampled_from(EXTREME_AMOUNTS if extreme else small)),
    }
    beside = [None, -1, 0, 0, 1] if instrument else [None, -20, -10, -10, -1, 0, 1]
    return values, draw(st.sampled_from(beside)) if side == 2 else None


@cache
@st.composite
def fortune_steps(draw: st.DrawFn) -> Step:
    """Draw an order that moves as much money as one fill can: to account 1, from the others."""
    account = draw(st.sampled_from([1, 1, 2, 3]))
    odd = draw(st.integers(0, 9)) == 0
    values = {
        "session": 1,
        "account": account,
        "instrument": 1,
        "side": Side.SELL if (account == 1) != odd else Side.BUY,
        "ord_type": OrdType.LIMIT
        if account == 1
        else draw(st.sampled_from([OrdType.LIMIT] * 4 + [OrdType.MARKET])),
        "tif": draw(st.sampled_from([Tif.GTC] * 3 + [Tif.IOC])) if account == 1 else Tif.IOC,
        "price_ticks": draw(st.sampled_from([2**60, 2**60, 2**60 - 1, 2**59])),
        "qty_lots": draw(st.sampled_from([1, 1, 1, 1, 2])),
    }
    return Step(Kind.NEW, values, lag=draw(st.sampled_from([0, 0, 0, 1, 3])))


@cache
@st.composite
def fortune_transfers(draw: st.DrawFn) -> Step:
    """Draw a TRANSFER of cash that lets the poor buy again, or takes from the rich."""
    account = draw(st.sampled_from([2, 2, 2, 3, 3, 1]))
    values = {
        "account": account,
        "side": 2 if account == 1 else 1,
        "qty_lots": draw(st.sampled_from([2**60, 2**60, 2**60 - 1, 2**59])),
    }
    return Step(Kind.TRANSFER, values, lag=draw(st.sampled_from([0, 0, 1])))


# What a venue with controls begins with


def _limit_steps(limits: dict[Limit, int], **holder: int) -> list[Step]:
    return [
        Step(Kind.LIMIT, {**holder, "ord_type": limit, "qty_lots": value}, cl="")
        for limit, value in limits.items()
    ]


@cache
@st.composite
def warning_steps(draw: st.DrawFn, account: int, limits: frozenset[Limit]) -> list[Step]:
    """Draw thresholds for some of the limits of an account that warn."""
    warned = [limit for limit in WARNS_ACCOUNTS if limit in limits and draw(st.booleans())]
    return [
        Step(
            Kind.LIMIT,
            {"account": account, "ord_type": limit, "tif": LimitPart.WARNING, "qty_lots": percent},
            cl="",
        )
        for limit in warned
        for percent in (draw(st.sampled_from([1, 50, 80, 100])),)
    ]


def unlimited(account: int, but: dict[Limit, int] | None = None) -> list[Step]:
    """Return the steps that set all limits of an account to unlimited, but for some."""
    return _limit_steps(dict.fromkeys(Limit, AMPLE) | (but or {}), account=account)


def firm_steps(firm: int, but: dict[Limit, int] | None = None) -> list[Step]:
    """Return the steps that define a firm without limits, but for some."""
    define = Step(Kind.FIRM, {"aux0": firm, "orig2": USD}, cl=f"FIRM{firm}")
    return [define, *_limit_steps(dict.fromkeys(OF_FIRMS, AMPLE) | (but or {}), aux0=firm)]


@cache
@st.composite
def tight(draw: st.DrawFn, allowed: tuple[Limit, ...], least: int, most: int) -> dict[Limit, int]:
    """Draw a few limits that are on."""
    few = [limits for limits in TOGETHER if set(limits) <= set(allowed)]
    chosen = draw(st.lists(st.sampled_from(few), min_size=least, max_size=most))
    return {limit: draw(st.sampled_from(VALUES[limit])) for limits in chosen for limit in limits}


@cache
@st.composite
def opening_risk_steps(draw: st.DrawFn) -> list[Step]:
    """Draw firms and accounts with their limits, a pre-funded account with funds, and a few other controls."""
    steps: list[Step] = []
    for firm in (1, 2):
        steps += firm_steps(firm, draw(tight(OF_FIRMS, 0, 1)))
        if draw(st.booleans()):
            warning = {
                "aux0": firm,
                "tif": LimitPart.WARNING,
                "qty_lots": draw(st.sampled_from([1, 50, 100])),
            }
            steps.append(Step(Kind.LIMIT, {**warning, "ord_type": draw(st.sampled_from(WARNS_FIRMS))}, cl=""))
    for account, name in ACCOUNT_NAMES.items():
        values = account_values(account, draw(st.sampled_from([0, 1, 1, 2])))
        steps.append(Step(Kind.ACCOUNT, values, cl=name))
        limits = draw(tight(tuple(Limit), 3 - account, 4)) if account in (1, 2) else {}
        steps += unlimited(account, limits)
        steps += draw(warning_steps(account, frozenset(limits)))
    order = {"session": 1, "account": 3, "instrument": 1, "ord_type": OrdType.LIMIT, "tif": Tif.GTC}
    order |= {"price_ticks": 10, "qty_lots": 1}
    steps += [Step(Kind.NEW, {**order, "side": side}) for side in Side]  # a last trade price
    for instrument, amount in ((0, 200), (1, 10), (2, 4)):
        values = {"account": PREFUNDED_ACCOUNT, "instrument": instrument, "side": 1, "qty_lots": amount}
        steps.append(Step(Kind.TRANSFER, values))
    kinds = st.sampled_from([Kind.COLLAR, Kind.FEES, Kind.FEES, Kind.PERMIT, Kind.LIMIT])
    steps += [draw(risk_steps(kind)) for kind in draw(st.lists(kinds, max_size=4))]
    return steps
