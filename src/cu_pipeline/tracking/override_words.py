"""What people read of parameters that are not as `conf/` says."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from cu_pipeline.tracking.overrides import (
    COMMAND_LINE,
    UNKNOWN,
    Ended,
    Override,
    Recorded,
    RunParameters,
    Unexplained,
    is_part,
    unexplained,
)
from cu_pipeline.tracking.parameter_trees import dotted, leaves, value_at
from cu_pipeline.tracking.project_feed import FEED

_SHOWN: Final = 4
_LONGEST: Final = 60


def in_force(recorded: Recorded, names: Iterable[str], checkout: str) -> list[str]:
    """Say which of the named parameters or groups no file of `conf/` here explains, one line for each origin.

    Args:
        recorded: what is in force.
        names: dotted parameters or groups; "" for all.
        checkout: which one this is.
    """
    lines = []
    for origin, items in _by_origin(unexplained(recorded, names, checkout)).items():
        dropped = " ".join(one.name for one in items) if len(items) <= _SHOWN else "--all"
        shown = " and ".join(f"{one.name}={short(one.value)}" for one in items[:_SHOWN])
        more = f" and {len(items) - _SHOWN} more (`kedro params` lists them)" if len(items) > _SHOWN else ""
        lines.append(f"this project runs with {shown}{more} {origin}; drop it with `kedro params drop {dropped}`")
    return lines


def edits(ended: Iterable[Ended]) -> list[str]:
    """Say which edits of `conf/` have ended what was recorded."""
    origins = [", the feed until now" if one.name == FEED else f" {_origin(one.entry)}" for one in ended]
    return [
        f"conf/ was edited: {one.name}={short(one.now)} takes the place of {short(one.value)}{origin}"
        for one, origin in zip(ended, origins, strict=True)
    ]


def left_behind(recorded: Recorded, run: RunParameters, read: Iterable[str]) -> list[str]:
    """Say what of earlier command lines a run does without, and which stored results still rest on some.

    Args:
        recorded: before the run.
        run: its parameters.
        read: the parameters or groups that its nodes read.
    """
    conf, read = run.conf.environments[run.environment], list(read)
    lines = []
    for one in unexplained(recorded, [""], run.conf.checkout):
        now = value_at(run.resolved, one.place)
        if now != value_at(conf, one.place) or now == one.value:
            continue  # given again, or no difference
        given, taken = f"{one.name}={short(one.value)} {_origin(one.entry)}", f"conf/'s {short(now)}"
        if is_part(one.name, read):
            lines.append(f"{given} is not in force any more: this run takes {taken}")
        else:
            lines.append(f"stored results rest on {given}; the next run that reads it takes {taken}")
    return lines


def listing(recorded: Recorded, checkout: str) -> str:
    """List all that differs from `conf/base`, with where it comes from, as a table.

    Args:
        recorded: what is in force.
        checkout: which one this is.
    """
    rows = [("parameter", "runs with", "instead of", "from")]
    for place, value in sorted(leaves(recorded.changes).items()):
        name = dotted(place)
        entry = recorded.overrides.get(name)
        origin = _origin(entry or Override(UNKNOWN), checkout).removeprefix("from ")
        feed = name == FEED and entry is None
        rows.append((name, short(value), short(entry.instead_of) if entry else "",
                     "the project's feed" if feed else origin))  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("  ".join([*map(str.ljust, row, widths), row[3]]) for row in rows)


def short(value: Any) -> str:
    """Write a value in a few letters."""
    text = "nothing" if value is None else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _by_origin(items: Iterable[Unexplained]) -> dict[str, list[Unexplained]]:
    found: dict[str, list[Unexplained]] = {}
    for one in items:
        found.setdefault(_origin(one.entry), []).append(one)
    return found


def _origin(entry: Override, checkout: str = "") -> str:
    if entry.by == UNKNOWN:
        return "from params.yaml, which does not say since when"
    if entry.by == COMMAND_LINE:
        return f"from a command line of {_day(entry.at)}"
    elsewhere = " of another checkout" if entry.checkout not in {"", checkout} else ""
    return f"from {entry.by}{elsewhere} on {_day(entry.at)}"


def _day(at: str) -> str:
    moment = datetime.fromisoformat(at).astimezone()
    year = f" {moment.year}" if moment.year != datetime.now(UTC).astimezone().year else ""
    return f"{moment:%A} {moment.day} {moment:%B}{year}"
