"""The ledger of promotions: every change of a champion, named by what a bundle holds, so that all machines agree."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self

from cu_pipeline.core.actor import actor

Cause = Literal["gate", "hand", "promote", "rollback", "rollout", "iterate"]

CAUSES: Final[dict[Cause, str]] = {
    "gate": "the gate",
    "hand": "the alias champion was moved in MLflow",
    "promote": "kedro models promote",
    "rollback": "kedro models rollback",
    "rollout": "a rollout",
    "iterate": "kedro iterate: a person's veto, or too little evidence",
}
"""What brought a change about, in words."""

UNKNOWN: Final = ""
"""In the place of a bundle's version, where an entry has only the number of a registry that is not at hand; in that of
the actor, where nobody knows."""

_LASTING: Final = frozenset({"hand", "promote", "rollback", "rollout"})
"""Causes that the gate does not undo by itself: what people want, and what live traffic has shown."""


@dataclass(frozen=True)
class Promotion:
    """A change of a capability's champion.

    Attributes:
        time: when, ISO 8601 in UTC.
        capability: whose champion.
        before: version of the former champion's bundle; None: there was none.
        after: version of the new one's; None: there is none since.
        cause: what brought it about, of `CAUSES`.
        reason: for people who read the ledger.
        from_number: what the registry of the machine that wrote the entry calls `before`; None: it is not there.
        to_number: likewise `after`.
        actor: who ran what brought it about, as user@host; `UNKNOWN` of a change in MLflow.
        refused: version of the challenger that a rollout has shown not to be fit, or a person vetoed: the champion
            stays, and `after` is `before`. None: no challenger was refused.
    """

    time: str
    capability: str
    before: str | None
    after: str | None
    cause: Cause
    reason: str
    from_number: str | None = None
    to_number: str | None = None
    actor: str = UNKNOWN
    refused: str | None = None

    @classmethod
    def now(cls, capability: str, change: tuple[str | None, str | None], cause: Cause, reason: str) -> Self:
        """Make an entry of this moment by whom this process runs for.

        Args:
            capability: whose champion.
            change: the bundle's version before and after.
            cause: what brings it about.
            reason: in words.
        """
        by = UNKNOWN if cause == "hand" else actor()
        return cls(datetime.now(UTC).isoformat(timespec="seconds"), capability, *change, cause, reason, actor=by)

    def numbered(self, before: str | None, after: str | None) -> Self:
        """Add what the registry at hand calls both bundles."""
        return replace(self, from_number=before, to_number=after)

    def as_json(self) -> dict[str, Any]:
        """Write it for the ledger."""
        kept = asdict(self)
        if self.refused is None:
            del kept["refused"]
        return {
            "from": kept.pop("from_number"),
            "to": kept.pop("to_number"),
            "from_bundle": kept.pop("before"),
            "to_bundle": kept.pop("after"),
            **kept,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read a line of the ledger.

        Those of earlier versions have only numbers of the registry, or say `by` for the cause, and name no actor.
        """
        told = {name: record[name] for name in ("time", "capability", "reason")}
        before, after = ((None if record.get(end) is None else UNKNOWN) for end in ("from", "to"))
        return cls(
            before=record.get("from_bundle", before),
            after=record.get("to_bundle", after),
            cause=record.get("cause", record.get("by", "gate")),
            from_number=record.get("from"),
            to_number=record.get("to"),
            actor=record.get("actor", UNKNOWN),
            refused=record.get("refused"),
            **told,
        )


def of_capability(entries: Iterable[Promotion], capability: str) -> list[Promotion]:
    """Choose the changes of one capability's champion, in order."""
    return [entry for entry in entries if entry.capability == capability]


def taken_back(entries: Iterable[Promotion]) -> set[str]:
    """Find the bundles that people or rollouts decided against, and nobody has promoted since.

    The gate promotes none of them by itself.

    Args:
        entries: of one capability.

    >>> gate = Promotion.now("topic", ("a", "b"), "gate", "better")
    >>> back = Promotion.now("topic", ("b", "a"), "rollback", "slow")
    >>> taken_back([gate]), taken_back([gate, back]), taken_back([gate, back, gate])
    (set(), {'b'}, set())
    """
    found: set[str] = set()
    for entry in entries:
        found.discard(entry.after or UNKNOWN)
        if entry.refused:
            found.add(entry.refused)
        elif entry.cause in _LASTING and entry.before:
            found.add(entry.before)
    return found


def former_champions(entries: Iterable[Promotion]) -> list[str]:
    """List the champions that a rollback may lead back to one after the other, the nearest first.

    A step back takes the champion that it leaves, and all after it, out of the line: two rollbacks lead two steps back,
    not there and back again. So does an alias that was moved in MLflow to a former champion.

    Args:
        entries: of one capability.

    Returns:
        Versions of bundles; `UNKNOWN` for one that the ledger has by number only.

    >>> ways = [(None, "a", "gate"), ("a", "b", "gate"), ("b", "c", "promote")]
    >>> entries = [Promotion.now("topic", (before, after), cause, "") for before, after, cause in ways]
    >>> former_champions(entries), former_champions([*entries, Promotion.now("topic", ("c", "b"), "rollback", "")])
    (['b', 'a'], ['a'])
    """
    line: list[str] = []
    champion: str | None = None
    for number, entry in enumerate(entries):
        if not number and entry.before:
            line.append(entry.before)  # the ledger begins with a champion that was there before it
        champion = entry.after
        if champion is None or line[-1:] == [champion]:
            continue
        if entry.cause in {"hand", "rollback"} and champion in line:
            while line[-1] != champion:
                line.pop()
        else:
            line.append(champion)
    return line[::-1] if champion is None else line[-2::-1]
