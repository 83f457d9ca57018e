"""The ledger of promotions: every change of a champion, named by what a bundle holds, so that all machines agree."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self

By = Literal["gate", "hand"]
UNKNOWN: Final = ""
"""In the place of a bundle's version, where an entry has only the number of a registry that is not at hand."""


@dataclass(frozen=True)
class Promotion:
    """A change of a capability's champion.

    Attributes:
        time: when, ISO 8601 in UTC.
        capability: whose champion.
        before: version of the former champion's bundle; None: there was none.
        after: version of the new one's; None: there is none since.
        by: who decided: the gate, or a person who moved the alias in MLflow.
        reason: for people who read the ledger.
        from_number: what the registry of the machine that wrote the entry calls `before`; None: it is not there.
        to_number: likewise `after`.
    """

    time: str
    capability: str
    before: str | None
    after: str | None
    by: By
    reason: str
    from_number: str | None = None
    to_number: str | None = None

    @classmethod
    def now(cls, capability: str, change: tuple[str | None, str | None], by: By, reason: str) -> Self:
        """Make an entry of this moment; `change` is the bundle's version before and after."""
        return cls(datetime.now(UTC).isoformat(timespec="seconds"), capability, *change, by, reason)

    def numbered(self, before: str | None, after: str | None) -> Self:
        """Add what the registry at hand calls both bundles."""
        return replace(self, from_number=before, to_number=after)

    def as_json(self) -> dict[str, Any]:
        """Write it for the ledger."""
        kept = asdict(self)
        return {
            "from": kept.pop("from_number"),
            "to": kept.pop("to_number"),
            "from_bundle": kept.pop("before"),
            "to_bundle": kept.pop("after"),
            **kept,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read a line of the ledger; those of earlier versions have only numbers of the registry."""
        told = {name: record[name] for name in ("time", "capability", "reason")}
        before, after = ((None if record.get(end) is None else UNKNOWN) for end in ("from", "to"))
        return cls(
            before=record.get("from_bundle", before),
            after=record.get("to_bundle", after),
            by=record.get("by", "gate"),
            from_number=record.get("from"),
            to_number=record.get("to"),
            **told,
        )


def of_capability(entries: Iterable[Promotion], capability: str) -> list[Promotion]:
    """Choose the changes of one capability's champion, in order."""
    return [entry for entry in entries if entry.capability == capability]


def taken_back(entries: Iterable[Promotion]) -> set[str]:
    """Find the bundles that people took back and nobody has promoted since.

    Args:
        entries: of one capability.

    >>> gate = Promotion.now("topic", ("a", "b"), "gate", "better")
    >>> hand = Promotion.now("topic", ("b", "a"), "hand", "moved in MLflow")
    >>> taken_back([gate]), taken_back([gate, hand]), taken_back([gate, hand, gate])
    (set(), {'b'}, set())
    """
    found: set[str] = set()
    for entry in entries:
        found.discard(entry.after or UNKNOWN)
        if entry.by == "hand" and entry.before:
            found.add(entry.before)
    return found
