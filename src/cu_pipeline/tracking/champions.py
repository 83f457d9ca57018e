"""Who is champion: what the project's data say, unless somebody has moved the alias in MLflow since.

The bundles that are served and the ledger of promotions travel with the data; a registry belongs to a machine or a
server. So the data are the truth, and the registry is brought to say the same. What people change in MLflow counts: it
is told from a stale registry by what both agreed on last in this project's folder.
"""

import json
import logging
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.paths import project_root
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.tracking import registry
from cu_pipeline.tracking.mlflow_run import DATABASE, tracking_uri
from cu_pipeline.tracking.promotions import CAUSES, UNKNOWN, Promotion, of_capability, taken_back

AGREED: Final = "mlruns/champions.json"
"""What the registry and the ledger agreed on last, in this folder: it tells which of them has changed since."""

_SERVED: Final = "data/06_models/champions"
_LEDGER: Final = "data/06_models/promotions.jsonl"
_CLOCK: Final = timedelta(seconds=1)  # times in the ledger are whole seconds

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Standing:
    """How things stand between champions and challengers.

    Attributes:
        champions: capability -> the champion's bundle.
        moved: what people changed in MLflow and the ledger does not have yet.
        taken_back: capability -> versions that people took back, so that the gate promotes none of them again.
    """

    champions: dict[str, Bundle]
    moved: list[Promotion]
    taken_back: dict[str, set[str]]


def settle_champions(
    served: Mapping[str, Bundle], trained: Mapping[str, Bundle], ledger: Sequence[Promotion]
) -> Standing:
    """Find the champions, and bring the registry to name the same.

    A registry without them, as a colleague's is after a clone, is filled from the served bundles. A change that the
    ledger brought is made in the registry too. An alias that somebody has moved is left as it is, and counts.

    Args:
        served: the bundles in the project's data, by capability.
        trained: bundles at hand that may be the champion's, likewise.
        ledger: all entries, in order.

    Raises:
        BundleError: the files of a champion are nowhere.
    """
    agreed = _Agreement.read()
    standing, filled = Standing({}, [], {}), []
    for name in sorted({*served, *trained}):
        case = _Case.of(name, served.get(name), of_capability(ledger, name))
        by_hand = case.moved_by_hand(agreed)
        if by_hand:
            standing.moved.append(case.entry())
        wanted = case.here if by_hand else case.told
        if wanted is not None:
            standing.champions[name] = _bundle(name, wanted, [served.get(name), trained.get(name)])
        if not by_hand:
            filled += [name] * _set_alias(case, standing.champions.get(name))
            agreed.note(name, wanted)
        standing.taken_back[name] = case.taken_back(wanted, by_hand=by_hand)
    if filled:
        told = ", ".join(f"{name} {standing.champions[name].version}" for name in filled)
        _log.info("MLflow's registry lacked the champions %s: registered from %s", told, _SERVED)
    return standing


def told_champion(served: Bundle | None, entries: Sequence[Promotion]) -> str | None:
    """Say which bundle is champion by the project's data: the ledger's last word, or what is served where it has none.

    Args:
        served: in the project's data.
        entries: of the capability.
    """
    if entries and entries[-1].after != UNKNOWN:
        return entries[-1].after
    return served.version if served else None


def with_bundles(entries: Iterable[Promotion]) -> list[Promotion]:
    """Find the bundles of entries that have the registry's number only, as far as it is of the registry at hand."""
    return [
        replace(entry, after=_promoted_before(entry.capability, entry)) if entry.after == UNKNOWN else entry
        for entry in entries
    ]


@dataclass(frozen=True)
class _Case:
    """One capability's champion, as each place has it.

    Attributes:
        capability: its name.
        told: version of the bundle that the ledger names, or that is served where the ledger does not say.
        registered: what has the alias in the registry.
        here: the version of its bundle.
        known: whether the registry has the bundle that is told.
        entries: of the ledger.
    """

    capability: str
    told: str | None
    registered: registry.ModelVersion | None
    here: str | None
    known: registry.ModelVersion | None
    entries: list[Promotion]

    @classmethod
    def of(cls, capability: str, served: Bundle | None, entries: list[Promotion]) -> "_Case":
        told = told_champion(served, entries)
        registered = registry.champion(capability)
        here = None if registered is None else registered.bundle_version or _fetched(registered).version
        known = registered if here == told else registry.find(capability, told) if told else None
        return cls(capability, told, registered, here, known, entries)

    def moved_by_hand(self, agreed: "_Agreement") -> bool:
        """Whether somebody has moved the alias, so that it is no stale registry that differs from the ledger."""
        if self.here == self.told:
            return False
        if self.capability not in agreed.champions:
            moved = self.here is not None and (self.known is not None or self.told is None)
            return moved and not self._is_entered()
        before = agreed.champions[self.capability]
        if self.here == before:
            return False
        if self.told == before:
            return self.known is not None or self.here is not None
        return self.known is not None and not self._is_entered()

    def _is_entered(self) -> bool:
        """Whether the ledger has the move already, and a later change: the registry only lacks that."""
        return any(entry.cause == "hand" and entry.after == self.here for entry in self.entries[:-1])

    def entry(self) -> Promotion:
        """What the ledger is to say of a change by hand."""
        entry = Promotion.now(self.capability, (self.told, self.here), "hand", CAUSES["hand"])
        return entry.numbered(_number(self.known), _number(self.registered))

    def taken_back(self, champion: str | None, *, by_hand: bool) -> set[str]:
        found = taken_back([*self.entries, self.entry()] if by_hand else self.entries)
        if self.entries and self.entries[-1].after == UNKNOWN:
            found |= {_promoted_before(self.capability, self.entries[-1])} - {champion, UNKNOWN}
        return found


class _Agreement:
    """The champions on which the registry and the ledger agreed last, kept in this project's folder.

    Args:
        place: the file.
        about: stands for the registry; another registry has agreed on nothing.
        champions: capability -> version of the bundle; None: there is none.
    """

    def __init__(self, place: Path, about: str, champions: dict[str, str | None]) -> None:
        self._place = place
        self._about = about
        self.champions = champions

    @classmethod
    def read(cls) -> "_Agreement":
        root = project_root()
        uri = tracking_uri(root)
        about = "own" if uri.endswith(f"/mlruns/{DATABASE}") else text_sha256(uri)  # an address may hold a password
        place = root / AGREED
        try:
            kept = json.loads(place.read_text(encoding="utf-8"))
            return cls(place, about, dict(kept["champions"]) if kept["registry"] == about else {})
        except (OSError, ValueError, KeyError, TypeError):
            return cls(place, about, {})

    def note(self, capability: str, version: str | None) -> None:
        """Keep that both say this now."""
        if capability in self.champions and self.champions[capability] == version:
            return
        self.champions[capability] = version
        kept = {"registry": self._about, "champions": self.champions}
        write_text(self._place, json.dumps(kept, indent=2, ensure_ascii=False) + "\n")


def _set_alias(case: _Case, champion: Bundle | None) -> bool:
    """Let the registry name the champion; tell whether it lacked it."""
    if case.here == case.told:
        return False
    if champion is None or case.known is not None:
        registry.set_champion(case.capability, _number(case.known))
        return False
    with tempfile.TemporaryDirectory() as scratch:
        champion.save(Path(scratch))
        registry.register(Path(scratch), case.capability, champion.version, registry.CHAMPION)
    return True


def _bundle(capability: str, version: str, at_hand: Sequence[Bundle | None]) -> Bundle:
    same = [bundle for bundle in at_hand if bundle is not None and bundle.version == version]
    if same:
        return min(same, key=lambda one: one.reference is None)  # an earlier version kept no reference with it
    found = registry.find(capability, version) or registry.champion(capability)
    bundle = None if found is None else _fetched(found)
    if bundle is None or bundle.version != version:
        raise BundleError(
            f"capability {capability!r}: its champion is the bundle {version}, says {_LEDGER}, but this is neither in "
            f"{_SERVED} nor in MLflow's registry. Remedy: `dvc pull {_SERVED} {_LEDGER}`; or, to go on without it, "
            "move the ledger away"
        )
    return bundle


def _fetched(version: registry.ModelVersion) -> Bundle:
    with tempfile.TemporaryDirectory() as scratch:
        return Bundle.load(registry.fetch(version.source, Path(scratch) / "bundle"))


def _promoted_before(capability: str, entry: Promotion) -> str:
    """Find which bundle an entry of an earlier version means, where its number is of the registry at hand.

    A registry that was made since has given the same number to another bundle, after the entry's time.
    """
    found = registry.numbered(capability, entry.to_number) if entry.to_number else None
    if found is None or found.created > datetime.fromisoformat(entry.time) + _CLOCK:
        return UNKNOWN
    return found.bundle_version


def _number(version: registry.ModelVersion | None) -> str | None:
    return None if version is None else version.version
