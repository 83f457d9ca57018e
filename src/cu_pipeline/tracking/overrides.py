"""Parameters that are not as `conf/base` says: where each comes from, and for how long it is in force.

An edit in `conf/` always counts. What a command line changed is repeated by `dvc repro` until `conf/` is edited there.
"""

import hashlib
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cu_pipeline.tracking.parameter_trees import Keys, difference, dotted, lay_over, leaves, nested_at, value_at
from cu_pipeline.tracking.project_feed import FEED, REPLACE

COMMAND_LINE: Final = "command line"
UNKNOWN: Final = "params.yaml"
"""Where a change comes from that the file holds without its origin: from an earlier version, or from `dvc exp`."""

PERSONAL: Final = "local"
"""The environment that git does not keep."""


@dataclass(frozen=True)
class Override:
    """Where a change comes from.

    Attributes:
        by: `COMMAND_LINE`, `conf/ENV` or `UNKNOWN`.
        at: when, ISO 8601; "" when unknown.
        instead_of: what `conf/` had, of `conf/ENV` what `conf/base` had; None also where that had nothing.
        checkout: of `conf/local`: which one.
    """

    by: str
    at: str = ""
    instead_of: Any = None
    checkout: str = ""


@dataclass(frozen=True)
class Recorded:
    """What is in force in place of `conf/base`.

    Attributes:
        changes: nested, to be laid over the parameters of `conf/base`.
        overrides: dotted parameter -> where its change comes from; the project's feed has none.
        environments: dotted key -> the environment of the last run that read it, unless that is `PERSONAL`.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Override] = field(default_factory=dict)
    environments: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Unexplained:
    """A parameter that is in force though no file of `conf/` here states it.

    Attributes:
        place: its keys.
        value: of it.
        entry: where it comes from.
    """

    place: Keys
    value: Any
    entry: Override

    @property
    def name(self) -> str:
        """Dotted."""
        return dotted(self.place)


@dataclass(frozen=True)
class Ended:
    """A record that an edit of `conf/` has ended.

    Attributes:
        name: dotted.
        value: what was recorded.
        now: what `conf/` has.
        entry: where the value came from.
    """

    name: str
    value: Any
    now: Any
    entry: Override


@dataclass(frozen=True)
class Conf:
    """What `conf/` states now.

    Attributes:
        base: the parameters of `conf/base`.
        environments: environment -> its parameters over those of `conf/base`.
        checkout: which one this is.
    """

    base: dict[str, Any]
    environments: Mapping[str, dict[str, Any]]
    checkout: str = ""


@dataclass(frozen=True)
class RunParameters:
    """The parameters of a run.

    Attributes:
        conf: with the run's environment alone.
        environment: its name.
        resolved: all, with those of the command line and the project's feed.
    """

    conf: Conf
    environment: str
    resolved: dict[str, Any]

    def recorded(self, before: Recorded) -> Recorded:
        """Tell what the run changes, each with where it comes from and, where it is as before, since when."""
        base, conf = self.conf.base, self.conf.environments[self.environment]
        changes: dict[str, Any] = {}
        overrides: dict[str, Override] = {}
        for place, value in leaves(difference(base, self.resolved)).items():
            name, stated = dotted(place), value_at(conf, place)
            given = stated != value
            if given and name == REPLACE:
                continue
            changes = lay_over(changes, nested_at(place, value))
            if name == FEED and stated is None:
                continue  # which stays, whoever gave it
            origin = Override(COMMAND_LINE, _now(), stated) if given else _stated(self.environment, place, self.conf)
            overrides[name] = _since(before, place, value, origin)
        return Recorded(changes, overrides)


def brought_up_to_date(recorded: Recorded, conf: Conf) -> tuple[Recorded, list[Ended]]:
    """Let what `conf/` states now go before what was recorded.

    What an environment states is taken from its files. Of a command line, and of `conf/local` of another checkout,
    which is not at hand, what was recorded stays until `conf/` has something else there than it had then.

    Returns:
        What is in force, and the records that an edit has ended.
    """
    stated = dict(_statements(recorded.environments, conf))
    changes: dict[str, Any] = {}
    overrides: dict[str, Override] = {}
    for place, (value, environment) in stated.items():
        changes = lay_over(changes, nested_at(place, value))
        overrides[dotted(place)] = _since(recorded, place, value, _stated(environment, place, conf))
    ended = []
    for place, value in sorted(leaves(recorded.changes).items(), key=lambda item: _given(recorded, item[0])):
        name, now = dotted(place), value_at(lay_over(conf.base, changes), place)
        if name == FEED and now is None:
            changes = lay_over(changes, nested_at(place, value))
            continue
        unknown = Override(UNKNOWN, "", value_at(conf.base, place) if name != FEED else None)
        entry = recorded.overrides.get(name, unknown)
        if _stands(entry, now, conf.checkout, stated=place in stated):
            changes, overrides[name] = lay_over(changes, nested_at(place, value)), entry
        elif now != value:
            ended.append(Ended(name, value, now, entry))
    return Recorded(changes, overrides, recorded.environments), ended


def unexplained(recorded: Recorded, names: Iterable[str], checkout: str) -> list[Unexplained]:
    """List what no file of `conf/` here states, the project's feed apart.

    Args:
        recorded: what is in force.
        names: dotted parameters or groups; "" for all.
        checkout: which one this is.
    """
    found, names = [], list(names)
    for place, value in sorted(leaves(recorded.changes).items()):
        name = dotted(place)
        if name == FEED and name not in recorded.overrides:
            continue
        entry = recorded.overrides.get(name, Override(UNKNOWN))
        here = entry.by not in {COMMAND_LINE, UNKNOWN} and entry.checkout in {"", checkout}
        if not here and is_part(name, names):
            found.append(Unexplained(place, value, entry))
    return found


def is_part(name: str, keys: Iterable[str]) -> bool:
    """Whether a parameter belongs to one of the groups, or is one that holds one of them; "" holds all.

    >>> [is_part(name, ["train.fusion", "seed"]) for name in ("train.fusion.epochs", "train", "training", "seed")]
    [True, True, False, True]
    """
    return any(not key or f"{name}.".startswith(f"{key}.") or f"{key}.".startswith(f"{name}.") for key in keys)


def this_checkout(root: Path) -> str:
    """Name a project's folder on this machine, so that a copy of its files elsewhere is known to be another."""
    return hashlib.sha256(f"{socket.gethostname()}:{os.path.realpath(root)}".encode()).hexdigest()[:12]


def _statements(environments: Mapping[str, str], conf: Conf) -> Iterator[tuple[Keys, tuple[Any, str]]]:
    """Tell what the environments change in `conf/base`, each in the parameters whose last run was in it."""
    for environment, parameters in conf.environments.items():
        for place, value in leaves(difference(conf.base, parameters)).items():
            keys = (dotted(place[:length]) for length in range(len(place), 0, -1))
            if next((environments[key] for key in keys if key in environments), PERSONAL) == environment:
                yield place, (value, environment)


def _stated(environment: str, place: Keys, conf: Conf) -> Override:
    checkout = conf.checkout if environment == PERSONAL else ""
    return Override(f"conf/{environment}", _now(), value_at(conf.base, place), checkout)


def _since(before: Recorded, place: Keys, value: Any, origin: Override) -> Override:
    """Keep an earlier record of the same, so that a repeated run changes no date."""
    entry = before.overrides.get(dotted(place))
    same = entry is not None and replace(entry, at=origin.at) == origin and value_at(before.changes, place) == value
    return entry if entry is not None and same else origin


def _stands(entry: Override, now: Any, checkout: str, *, stated: bool) -> bool:
    """Whether a record stays, where `conf/` has `now`, and an environment `stated` it."""
    if entry.by == COMMAND_LINE:
        return bool(now == entry.instead_of)
    elsewhere = entry.by == UNKNOWN or entry.checkout not in {"", checkout}
    return elsewhere and not stated and bool(now == entry.instead_of)


def _given(recorded: Recorded, place: Keys) -> bool:
    entry = recorded.overrides.get(dotted(place))
    return entry is None or entry.by in {COMMAND_LINE, UNKNOWN}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
