"""`edgellm usage`: requests, tokens, latency and energy, by day, model or tenant."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from edgellm.cli.ids import SHOWN
from edgellm.cli.style import Part, bad, bold
from edgellm.cli.table import Column
from edgellm.cli.units import span
from edgellm.cli.world import World, pass_world

if TYPE_CHECKING:
    from edgellm.store import UsageTotal


@click.command("usage")
@click.option(
    "--by",
    type=click.Choice(["day", "model", "tenant"]),
    multiple=True,
    default=("day",),
    show_default=True,
    help="What is added up; may be repeated.",
)
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Only from this day on: 2026-03-01.")
@click.option("--json", "as_data", is_flag=True, help="Print JSON.")
@pass_world
def usage(world: World, by: tuple[Any, ...], since: datetime | None, as_data: bool) -> None:
    """Show what was used: requests, tokens, latency, errors.

    With --by tenant --by day each day of each tenant has a line. A tenant is a key of the server's; what this
    machine's own programs ask is its own line. P50 and P99 are the seconds that 50 and 99 % of the answered
    requests took at most; energy is an estimate, shown where the machine reports its power; with the setting
    kwh_price also what it cost, all together and a request.
    """
    by = tuple(dict.fromkeys(by))
    with world.open() as edge:
        found, price = edge.usage.totals(by, _timestamp(since)), edge.settings.kwh_price
        keys = {key.id: key.name for key in edge.keys.list()} if "tenant" in by else {}
    if as_data:
        world.out.json([_as_json(total, by, keys, price) for total in found])
    elif not found:
        world.err.note("Nothing was used in that time." if since else "Nothing was used yet.")
    else:
        costs = () if price is None else ("COST", "A REQUEST")
        titles = ("REQUESTS", "ERRORS", "READ", "CACHED", "WRITTEN", "P50", "P99", "ENERGY", *costs)
        header = [
            *(Column(name.upper(), flexible=True) for name in by),
            *(Column(title, right=True) for title in titles),
        ]
        world.out.table(header, [_row(total, _names(total, by, keys), price) for total in found])


def _names(total: UsageTotal, by: tuple[str, ...], keys: dict[str, str]) -> tuple[str, ...]:
    """How a line is called, in as many parts as it has."""
    parts = total.keys or (total.key,)
    return tuple(_name(part, name, keys) for part, name in zip(parts, by, strict=True))


def _name(key: str, by: str, names: dict[str, str]) -> str:
    """How one part of a line is called: a tenant by its key's name and the beginning of its id."""
    if by != "tenant":
        return key
    from edgellm.server.caller import LOCAL  # deferred: only this listing names tenants

    if key in ("", LOCAL):
        return "clients without a key" if key else "this machine"
    return f"{names.get(key, 'unknown key')} ({key[:SHOWN]})"


def _row(total: UsageTotal, names: tuple[str, ...], price: float | None) -> tuple[Part, ...]:
    tokens = (total.usage.prompt_tokens, total.usage.cached_tokens, total.usage.completion_tokens)
    latency = ("" if seconds is None else span(seconds) for seconds in (total.p50_s, total.p99_s))
    energy = "" if total.energy_j is None else f"{total.energy_j / 3600:,.1f} Wh"
    errors = bad(f"{total.errors:,}") if total.errors else ""
    costs = () if price is None else tuple(map(_money, _costs(total, price)))
    numbers = (f"{number:,}" for number in tokens)
    return (*map(bold, names), f"{total.requests:,}", errors, *numbers, *latency, energy, *costs)


def _costs(total: UsageTotal, price: float | None) -> tuple[float | None, float | None]:
    """Of the measured requests together, and of one of them."""
    cost = total.cost(price)
    return cost, None if cost is None or not total.measured else cost / total.measured


def _money(amount: float | None) -> str:
    if amount is None:
        return ""
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.3g}"


def _as_json(total: UsageTotal, by: tuple[str, ...], keys: dict[str, str], price: float | None) -> dict[str, Any]:
    """A line's numbers; `keys` of one that is added up by several has each by what it is."""
    cost, each = _costs(total, price)
    facts = asdict(total)
    del facts["keys"]
    if total.keys:
        facts["keys"] = dict(zip(by, total.keys, strict=True))
    return {"name": " / ".join(_names(total, by, keys)), **facts, "cost": cost, "cost_per_request": each}


def _timestamp(day: datetime | None) -> float | None:
    """The local midnight at which a day begins; no day before 1970 was ever used."""
    return None if day is None or day.year < 1971 else day.timestamp()
