"""``ringmatch config``: check a venue's configuration before it is run, and print one to start from.

Both read :mod:`stages.config` only, never Numba. ``check`` prints what it understood on stdout; errors name
file, key, value and what was expected, with exit code 3.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.exit_codes import CommandError, ExitCode
from stages.config import VenueConfig, example_toml, load_config
from stages.host import available_cores, memory_facts, parse_cores

__all__ = ["app", "check", "example"]

app = typer.Typer(
    help="Check a venue's configuration, or print an example.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A venue.toml.", show_default=False)],
    cores: Annotated[
        str | None,
        typer.Option(help="Check the plan for a host with these cores, such as 0-3, instead of this one."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print all values, defaults included, as JSON.")
    ] = False,
) -> None:
    """Check a configuration and say what it means."""
    try:
        usable = parse_cores(cores) if cores is not None else available_cores()
    except ValueError as error:
        raise CommandError(f"--cores: {error}", ExitCode.USAGE) from error
    config = load_config(file, usable)
    if json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(config)).decode())
    else:
        print("\n".join(_summary(file, config)))
    free = memory_facts().shm_free_bytes
    if cores is None and config.rings.shm_bytes > free:
        needed, there = _mib(config.rings.shm_bytes), _mib(free)
        print(f"ringmatch: warning: the rings need {needed} of /dev/shm, free: {there}", file=sys.stderr)


@app.command()
def example() -> None:
    """Print a commented example, which passes the check."""
    print(example_toml(), end="")


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):.0f} MiB"


def _summary(file: Path, config: VenueConfig) -> list[str]:
    """Describe a configuration in lines of `what: value`."""
    return [
        f"{file}: ok",
        f"venue: {config.venue.name}, durability {config.venue.durability}, data in {config.venue.data_dir}",
        f"instruments: {_some([entry.symbol for entry in config.instruments])}",
        f"accounts: {_some([entry.name for entry in config.accounts])}",
        *_days(config),
        *_risk(config),
        f"rings: {_mib(config.rings.shm_bytes)} of /dev/shm, {config.rings.ports} ports",
        f"plan: {_plan(config)}, wait {config.plan.wait}",
    ]


def _days(config: VenueConfig) -> list[str]:
    """Describe trading days, if there are any."""
    groups = [name for name in config.groups if name]
    if not groups:
        return []
    rows, tables = len(config.schedules), len(config.tick_tables)
    return [f"groups: {_some(groups)}, rows of schedules: {rows}, tick tables: {tables}"]


def _risk(config: VenueConfig) -> list[str]:
    """Describe risk controls beyond the six limits of each account, if there are any."""
    firms = [f"{firm.id} {firm.name}" for firm in config.all_firms]
    lines = [f"firms: {_some(firms)}"] if firms else []
    collars = [entry.symbol for entry in config.instruments if entry.collar.is_on]
    with_fees = [entry.symbol for entry in config.instruments if any(entry.fees.rates)]
    prefunded = [account.name for account in config.accounts if account.prefunded]
    parts = {"collars": collars, "fees": with_fees, "pre-funded": prefunded}
    parts["sessions"] = [session.name for session in config.sessions]
    told = [f"{name} {_some(names)}" for name, names in parts.items() if names]
    if config.risk.day_begin is not None:
        told.append(f"a day begins at {config.risk.day_begin}")
    return [*lines, *([f"risk: {', '.join(told)}"] if told else [])]


def _some(names: list[str]) -> str:
    """Return how many there are, and the first names."""
    most = 8
    return f"{len(names)} ({', '.join(names[:most])}{', ...' if len(names) > most else ''})"


def _plan(config: VenueConfig) -> str:
    if isinstance(config.plan.workers, str):
        return config.plan.workers
    return " | ".join(
        f"{'+'.join(worker.stages)} on {'any core' if worker.core is None else f'core {worker.core}'}"
        for worker in config.plan.workers
    )
