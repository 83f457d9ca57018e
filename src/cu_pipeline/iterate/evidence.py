"""What the gate found of an iteration's challengers, and whether people's labels stand behind it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Challenger:
    """A model that an iteration trained, as `gate.json` tells.

    Attributes:
        capability: that it recognises.
        champion: version of the one that serves; None: there is none.
        version: its own.
        promoted: whether the gate promotes it.
        effect: gain in accuracy on all test clips; None where nothing was compared.
        fresh_effect: on clips that people labelled of what the service saw; None: there are too few.
        fresh_clips: how many those are.
        reasons: the gate's, in words.
    """

    capability: str
    champion: str | None
    version: str
    promoted: bool
    effect: float | None
    fresh_effect: float | None
    fresh_clips: int
    reasons: str

    @classmethod
    def of(cls, capability: str, row: Mapping[str, Any]) -> Self:
        """Read a row of the `gate` dataset."""
        fresh = row.get("fresh") or {}
        return cls(
            capability=capability,
            champion=row["champion"],
            version=row["challenger"],
            promoted=row["decision"] == "promote" and row["champion"] != row["challenger"],
            effect=row["effect"],
            fresh_effect=fresh.get("effect"),
            fresh_clips=int(fresh.get("clips", 0)),
            reasons="; ".join(row["reasons"]),
        )

    def as_facts(self) -> dict[str, Any]:
        """Write it into the state and the ledger."""
        return {
            "decision": "promote" if self.promoted else "keep",
            "champion": self.champion,
            "challenger": self.version,
            "effect": self.effect,
            "fresh_effect": self.fresh_effect,
            "fresh_clips": self.fresh_clips,
            "reasons": self.reasons,
        }


def challengers(gate: Mapping[str, Mapping[str, Any]]) -> list[Challenger]:
    """Read the `gate` dataset."""
    return [Challenger.of(name, row) for name, row in gate.items()]


def lacking_evidence(found: list[Challenger], least: int) -> Iterator[tuple[Challenger, str]]:
    """Find those that the gate promotes though too few clips of what the service saw were labelled by people.

    What machines say of new clips is no evidence that a new model is better on them. A capability without a champion
    serves nobody yet, and has nothing to lose.

    Args:
        found: all challengers.
        least: clips that are enough.
    """
    for one in found:
        if one.promoted and one.champion is not None and one.fresh_clips < least:
            yield (
                one,
                (
                    f"people labelled {one.fresh_clips} test clips of what the service saw, fewer than {least} "
                    "(iterate.guards.least_test_clips)"
                ),
            )
