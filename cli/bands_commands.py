"""``ringmatch bands``: how far from which prices the instruments of a running pipeline may trade.

What the configuration says of bands comes back with the next start.

Exit codes: 0 done, 1 the core rejected it, 2 no such instrument, or no number of ticks, 4 nothing runs.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from cli.exit_codes import CommandError, ExitCode
from cli.operate import about_pipeline, ask, instrument_named, market_of, price_text, span_of, ticks_of
from cli.render import DEFAULT_DATA, Data, Json, print_json, table
from protocols.codes import BandMode
from protocols.trading_day import span_text
from stages.control import InstrumentRow, MarketRow

__all__ = ["BandsRow", "app", "set_bands", "show"]

MODES = {mode.name.lower(): mode for mode in BandMode}

app = typer.Typer(help="Show or set price bands.", add_completion=False, pretty_exceptions_enable=False)


class BandsRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``bands show``; prices are decimals, None is none."""

    instrument: str
    mode: str
    static_band: str | None
    reference_price: str | None
    dynamic_band: str | None
    volatility_auction_ns: int
    indication_interval_ns: int


def bands_row(entry: InstrumentRow, market: MarketRow) -> BandsRow:
    """Return the bands of an instrument."""
    return BandsRow(
        instrument=entry.symbol,
        mode=BandMode(market.band_mode).name.lower(),
        static_band=price_text(market.static_ticks, entry),
        reference_price=price_text(market.static_reference, entry),
        dynamic_band=price_text(market.dynamic_ticks, entry),
        volatility_auction_ns=market.volatility_ns,
        indication_interval_ns=market.indication_ns,
    )


@app.command()
def show(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Show the price bands of each instrument."""
    about = about_pipeline(data)
    _print([bands_row(entry, market_of(about, entry.id)) for entry in about.instruments], json)


def _print(rows: list[BandsRow], json: bool) -> None:
    if json:
        print_json(rows)
        return
    lines: list[tuple[str, ...]] = [
        ("instrument", "mode", "static", "reference", "dynamic", "volatility auction", "indications")
    ]
    for row in rows:
        prices = (row.static_band or "-", row.reference_price or "-", row.dynamic_band or "-")
        spans = (row.volatility_auction_ns, row.indication_interval_ns)
        lines.append(
            (row.instrument, row.mode, *prices, *(span_text(span) if span else "-" for span in spans))
        )
    print("\n".join(table(lines, right="  rrr")))


@app.command("set")
def set_bands(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="An instrument.", show_default=False)],
    mode: Annotated[str | None, typer.Option(metavar="MODE", help="none, reject or halt.")] = None,
    static: Annotated[
        str | None, typer.Option(metavar="D", help="Width of the static band, 0 for none.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(metavar="P", help="What the static band stands around.")
    ] = None,
    dynamic: Annotated[
        str | None, typer.Option(metavar="D", help="Width of the dynamic band, 0 for none.")
    ] = None,
    volatility_auction: Annotated[
        str | None, typer.Option(metavar="SPAN", help="How long a volatility auction lasts, 0s for no end.")
    ] = None,
    indication_interval: Annotated[
        str | None, typer.Option(metavar="SPAN", help="Least time between two indications.")
    ] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Set the price bands of an instrument; what is not given stays as it is."""
    if mode is not None and mode not in MODES:
        raise CommandError(f"--mode: expected one of {', '.join(MODES)}, was {mode!r}", ExitCode.USAGE)
    about = about_pipeline(data)
    entry = instrument_named(about, symbol)
    market = market_of(about, entry.id)
    ticks = {"static_ticks": static, "static_reference": reference, "dynamic_ticks": dynamic}
    spans = {"volatility_ns": volatility_auction, "indication_ns": indication_interval}
    changes = {
        name: ticks_of(
            f"--{name.partition('_')[0] if name != 'static_reference' else 'reference'}", text, entry
        )
        for name, text in ticks.items()
        if text is not None
    }
    changes |= {
        name: span_of("--volatility-auction" if name == "volatility_ns" else "--indication-interval", text)
        for name, text in spans.items()
        if text is not None
    }
    if mode is not None:
        changes["band_mode"] = int(MODES[mode])
    elif market.band_mode == BandMode.NONE and (static or dynamic):
        changes["band_mode"] = int(BandMode.REJECT)
    if not changes:
        raise CommandError("expected something to set: --static, --dynamic, --mode ...", ExitCode.USAGE)
    wanted = msgspec.structs.replace(market, **changes)
    from protocols.market_commands import bands

    command = bands(
        entry.id,
        static=wanted.static_ticks,
        dynamic=wanted.dynamic_ticks,
        mode=wanted.band_mode,
        reference=changes.get("static_reference", 0),
        volatility_ns=wanted.volatility_ns,
        indication_ns=wanted.indication_ns,
    )
    ask(data, command)
    row = bands_row(entry, wanted)
    if json:
        print_json(row)
    else:
        _print([row], json)
