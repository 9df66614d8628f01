"""The venue that serves without a file, and the example that a file can start from.

Read by :mod:`stages.config` and ``ringmatch config example``; both are constants. A test decodes the example
and holds it against the structs, so that it names every key and its values are the defaults.
"""

from __future__ import annotations

from typing import Final

from stages.config_model import Account, Instrument, VenueConfig

__all__ = ["default_config", "example_toml"]

_EXAMPLE: Final = """\
# A venue for ringmatch. Check it: `ringmatch config check FILE`; run it: `ringmatch start --config FILE`.
# Every table but [[instrument]] and [[account]] may be left out; unknown keys are refused.

[venue]
name = "default"
data_dir = "ringmatch-data"     # journal and control files; relative to the working directory
# When an order counts as safe, and may be acknowledged:
#   "fsync"  it is on the disk: survives a power cut
#   "os"     the operating system has it: survives a crash of the venue
#   "none"   it waits for nothing: for measurements
durability = "fsync"

[rings]                         # slots of 128 bytes in shared memory, powers of two
input_slots = 16384
output_slots = 65536
ingress_slots = 16384           # for each port
egress_slots = 131072           # for each port; a session that lets its ring fill up is cut off
ports = 8                       # how many gateways and injectors can be attached at a time

[capacity]                      # preallocated, and part of the journal
max_orders = 1048576            # open at a time
max_levels = 131072             # price levels over all books
max_cl_ord_ids = 16777216       # ever used: a duplicate is refused for as long as the journal lives
max_positions = 65536           # pairs of account and instrument
max_accounts = 4096
max_instruments = 1024
max_sessions = 1024
max_specials = 16384            # stop orders and icebergs, and as many orders with GTD
partitions = 1                  # of matching, to spread it over workers: 1 to 8 (docs/partitions.md)

[plan]
# "auto" suits throughput, "auto-latency" gives a stage a core of its own where it can; or say it yourself:
#   workers = [
#     { stages = ["ingest", "journal"], core = 0 },
#     { stages = ["risk", "matching", "publish"], core = 1 },
#   ]
# with each of ingest, journal, risk, matching, publish exactly once. Without a core, a worker is not pinned.
# Partitions of matching may be named apart: "matching-1", "matching-2"; the others stay with "matching".
workers = "auto"
wait = "blocking"               # of an idle worker: "spin", "yield", "backoff" or "blocking"
sched_fifo = false              # real-time scheduling, where permitted
mlock = false                   # keep all memory resident, where permitted

[journal]
segment_bytes = 67108864        # a power of two
checkpoint_every = 65536        # commands between two digests in the journal
tick_ms = 100                   # how late an idle venue may expire an order with GTD; 0: with the next command

[risk]
day_begin = "00:00:00"          # optional: when daily counters begin anew, UTC; without it that is the operator's

[snapshots]                     # so that a start replays the end of the journal only (docs/snapshots.md)
every_commands = 5000000        # whichever comes first; 0: never for this reason
every_bytes = 1073741824        # of the journal
every = "1h"
keep = 2

# Prices and sizes are decimals in quotes, with at most 8 decimals. The money of one tick of one lot must be a
# whole number of millionths of the currency. An instrument's id is its place in this file, from 1.
[[instrument]]
symbol = "AAPL"                 # up to 16 visible ASCII characters
tick_size = "0.01"
lot_size = "1"
currency = "USD"
price_band = ["1.00", "5000.00"]    # optional: lowest and highest price of an order
protection_points = "5.00"      # optional: how far from the best price a market order may trade
partition = 1                   # optional: of matching; unless given that of its group's number, or of its id
market_data = true              # optional: tell each change of its book to who subscribes; true unless given
# Trading states, all optional (docs/trading-states.md):
group = "equities"              # a name; schedules and `ringmatch state set` address groups
initial_state = "continuous"    # of a new one; or pre-open, opening-auction, volatility-auction, closing-auction,
                                # halt, closed
tick_table = "liquid"           # a [[tick_table]]: larger ticks at higher prices
static_band = "10.00"           # how far from the last auction price it may trade
dynamic_band = "2.00"           # how far from the last trade price
reference_price = "150.00"      # the static band stands around it until an auction has a price
band_mode = "halt"              # beyond a band: "reject" what is left of the order, or "halt" for a volatility auction
volatility_auction = "2min"     # how long that lasts; without it until a command ends it. Units: ms, s, min, h
indication_interval = "500ms"   # least time between two indications of an auction; without it after each change
# Risk controls, all optional (docs/risk-controls.md):
max_order_qty = 50000           # lots in one order, whoever sends it
max_order_notional = "10000000.00"  # money in one order
short_sales = "allowed"         # or "restricted": accounts that are not exempt sell what they hold
static_collar = "10%"           # orders may be priced so far beyond the reference; or a price difference, "15.00"
dynamic_collar = "5%"           # and so far beyond the last trade; in the same unit
collar_reference = "150.00"     # of the static collar; given once, and when it is changed here
collar_age = "10min"            # a last trade that is older rejects; without it any age
maker_fee = "-0.01%"            # of the money traded, at most 4 decimals; a negative one is a rebate
taker_fee = "0.05%"
auction_fee = "0.02%"
fee_account = "ACC2"            # who gets them: an account of the same currency

[[instrument]]
symbol = "EURUSD"
tick_size = "0.00001"
lot_size = "1000"
currency = "USD"

# A firm: one legal person with accounts. Its limits are of all of them together; each is "unlimited" unless given.
# A firm that an account names, and that has no table here, is called FIRMn.
[[firm]]
id = 1
name = "ALPHA"                  # up to 16 visible ASCII characters
currency = "USD"                # that of all its accounts
credit = "20000000000.00"       # money in open buy orders, beyond what sales have brought in
gross_notional = "unlimited"    # money a day, traded and in open orders
order_rate = 2000               # a second, in the long run
order_burst = 6000              # at once
warn = { credit = 80, gross_notional = 80 }     # from how many percent on it is warned

# Quantities and positions in lots, since they hold for all instruments; money in units of the currency. The first six
# limits must be there; "unlimited" is a value, and that of all others unless they are given.
[[account]]
name = "ACC1"                   # up to 16 visible ASCII characters
currency = "USD"                # trades instruments of this currency only
max_order_qty = 100000
max_order_notional = "50000000.00"
max_open_orders = 100000
max_long = 10000000             # position and open buy orders together, in each instrument
max_short = 10000000
credit = "10000000000.00"       # money in open buy orders, beyond what sales have brought in
firm = 1                        # optional, a number: `ringmatch mass-cancel --firm 1`
prefunded = false               # true: no credit, all is paid before; decided once
gross_notional = "unlimited"    # money a day, traded and in open orders
max_loss = "1000000.00"         # money a day; beyond it positions may be made smaller only
order_to_trade = 500            # messages for each fill
free_messages = 1000000         # messages a day that need no fill
duplicate_count = 50            # orders that are the same in all, within
duplicate_window = "1s"
execution_count = 10000         # fills until it is stopped, within
execution_window = "1s"
order_rate = 1000               # a second, in the long run
order_burst = 3000              # at once
cancel_rate = 10000
cancel_burst = 30000
warn = { credit = 80, max_long = 90 }   # from how many percent on it is warned
order_types = ["market", "limit"]   # all unless given: market, limit, stop, stop-limit, trailing-stop, directed
tifs = ["gtc", "day", "ioc"]    # all unless given: gtc, day, ioc, fok, gtd, at-open, at-close
groups = ["equities", "-"]      # of instruments, all unless given; "-" are those without a group
short_exempt = false

[[account.instrument]]          # what ACC1 may do in one instrument
symbol = "EURUSD"
access = "permitted"            # or "by-group", "denied", "reducing"
max_order_qty = 200
max_order_notional = "1000000.00"
max_open_orders = 50
max_long = 2000
max_short = 2000

[[account]]
name = "ACC2"
currency = "USD"
max_order_qty = 100
max_order_notional = "25000.50"
max_open_orders = 10
max_long = 1000
max_short = 0                   # may not sell what it does not hold
credit = "100000"

[[session]]
name = "DESK1"                  # up to 20 characters
accounts = ["ACC1"]             # for which it acts, all unless given

# From a price on, prices are multiples of a tick size; below the first row the tick size of the instrument counts.
[[tick_table]]
name = "liquid"
rows = [["100.00", "0.05"], ["500.00", "0.10"]]

# Every day at a time, UTC, the instruments of a group enter a state.
[[schedule]]
group = "equities"
state = "opening-auction"
at = "07:50:00"

[[schedule]]
group = "equities"
state = "continuous"
at = "08:00:00"
"""


def default_config() -> VenueConfig:
    """Return the venue that serves without a file: five instruments, and accounts for all injectors."""
    instruments = [
        Instrument(
            symbol=symbol, tick_size="0.01", lot_size="1", currency="USD", price_band=("1.00", "5000.00")
        )
        for symbol in ("AAPL", "MSFT", "NVDA", "TSLA", "AMZN")
    ]
    people = [_default_account(f"ACC{number}", 1) for number in range(1, 9)]
    machines = [_default_account(f"SYN{number}", 1000) for number in range(1, 17)]
    feed = [_default_account("ITCH", 1000)]
    return VenueConfig(instruments=tuple(instruments), accounts=(*people, *machines, *feed))


def _default_account(name: str, generosity: int) -> Account:
    """Return an account of the default venue; injectors get limits that a long flow does not exhaust."""
    return Account(
        name=name,
        currency="USD",
        max_order_qty=100_000 * generosity,
        max_order_notional=50_000_000 * generosity,
        max_open_orders=100_000 * generosity,
        max_long=10_000_000 * generosity,
        max_short=10_000_000 * generosity,
        credit=min(10_000_000_000 * generosity, 1_000_000_000_000),
    )


def example_toml() -> str:
    """Return a commented example that itself passes; its values are the defaults where there are any."""
    return _EXAMPLE
