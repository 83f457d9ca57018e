"""What the gate answers."""

import shlex
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Decision:
    """The gate's answer for one capability.

    Attributes:
        decision: `promote` or `keep`.
        test: what was done, in words; "" if nothing was compared.
        p_value: one-sided; None without a comparison.
        effect: challenger's accuracy minus the champion's, or the majority's where the champion is not compared.
        reasons: why, in plain words.
        challenger: bundle version.
        champion: bundle version; None if there is none.
        against: what the challenger was compared with: `champion`, `majority`, or "" for nothing.
        effect_shrunk: what the effect of a challenger that was shown better is likely worth; None of another one.
        interval: 95 % interval of the effect.
        alpha: level of the test.
        account: what the test clips had been used for before, see `account.Standing`.
        power: what the test can see, see `power.Power`.
        fresh: its gain on test clips that an iteration drew from what the service saw, and on the others, see
            `fresh_clips.Strata`; None: none were drawn.
        slices: the challenger's gain over the champion in each protected slice, the one that fell most first.
        baselines: its gain over each baseline, where the champion is not compared, likewise.
        forced: whether only `evaluate.gate.force` promotes it.
    """

    decision: str
    test: str
    p_value: float | None
    effect: float | None
    reasons: list[str]
    challenger: str
    champion: str | None
    against: str = ""
    effect_shrunk: float | None = None
    interval: tuple[float, float] | None = None
    alpha: float | None = None
    account: dict[str, Any] | None = None
    power: dict[str, Any] | None = None
    fresh: dict[str, Any] | None = None
    slices: list[dict[str, Any]] = field(default_factory=list)
    baselines: list[dict[str, Any]] = field(default_factory=list)
    forced: bool = False

    def to_json(self) -> dict[str, Any]:
        """The row of `gate.json`."""
        return asdict(self)

    @property
    def served(self) -> str | None:
        """Version of the bundle that is served from now on; None: there is none."""
        return self.challenger if self.decision == "promote" else self.champion

    @property
    def verdict(self) -> str:
        """The decision in words."""
        if self.decision == "promote":
            return "promoted"
        return "not promoted" if self.champion is None else "champion kept"

    def forced_for(self, capability: str) -> "Decision":
        """Promote it since the parameters say so."""
        if self.decision == "promote":
            return self
        reason = f"forced: evaluate.gate.force names {capability}"
        return replace(self, decision="promote", forced=True, reasons=[reason, *self.reasons])

    def held_back_for(self, capability: str) -> "Decision":
        """Promote no model that people have replaced, whatever a comparison says."""
        if self.decision != "promote":
            return self
        reason = (
            "people or a rollout decided against this one, so the gate does not promote it by itself. To have it: "
            f"kedro models promote {shlex.quote(capability)} {self.challenger}"
        )
        return replace(self, decision="keep", forced=False, reasons=[reason, *self.reasons])
