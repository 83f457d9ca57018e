"""Whether a challenger takes the champion's place."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Decision:
    """The gate's answer for one capability.

    Attributes:
        decision: `promote` or `keep`.
        test: what was compared, in words; "" if nothing was.
        p_value: one-sided; None without a comparison.
        effect: challenger's accuracy minus the champion's.
        reasons: why, in plain words.
        challenger: bundle version.
        champion: bundle version; None if there is none.
    """

    decision: str
    test: str
    p_value: float | None
    effect: float | None
    reasons: list[str]
    challenger: str
    champion: str | None

    def to_json(self) -> dict[str, Any]:
        """The row of `gate.json`."""
        return asdict(self)

    @property
    def served(self) -> str | None:
        """Version of the bundle that is served from now on; None: there is none."""
        return self.challenger if self.decision == "promote" else self.champion


def mcnemar(challenger: NDArray[np.bool_], champion: NDArray[np.bool_]) -> float:
    """Test whether the challenger is right more often, by the exact one-sided McNemar test.

    Source: McNemar (Psychometrika, 1947), with the exact binomial tail. Where both models are equally good the
    p-value is at most `a` with probability at most `a`.

    Args:
        challenger: bool (n): right or wrong on each test clip.
        champion: the same for the champion, on the same clips.

    >>> mcnemar(np.array([True] * 5), np.array([False] * 5))
    0.03125
    >>> mcnemar(np.array([True, False]), np.array([True, False]))
    1.0
    """
    from scipy.stats import binomtest

    gained = int((challenger & ~champion).sum())
    lost = int((~challenger & champion).sum())
    if gained + lost == 0:
        return 1.0
    return float(binomtest(gained, gained + lost, 0.5, alternative="greater").pvalue)


def first_model(challenger: str, reason: str, champion: str | None = None) -> Decision:
    """Promote without a comparison, for the reason given."""
    return Decision("promote", "", None, None, [reason], challenger, champion)


def same_model(version: str) -> Decision:
    """Keep the champion that the challenger equals."""
    return Decision("keep", "", None, None, ["the challenger is the champion: nothing changed"], version, version)


def not_comparable(challenger: str, champion: str) -> Decision:
    """Keep a champion whose features are stored for no test clip."""
    reason = (
        "the features that the champion reads are stored for no test clip, so the models cannot be compared: run "
        "the featurize pipeline"
    )
    return Decision("keep", "", None, None, [reason], challenger, champion)


def replace_unusable(tested: Decision, fault: str) -> Decision:
    """Promote whatever a comparison said, since the champion cannot be served by this installation."""
    return replace(
        tested, decision="promote", reasons=[f"the champion cannot be served here: {fault}", *tested.reasons]
    )


def hold_back(tested: Decision) -> Decision:
    """Promote no model that people have taken back, whatever a comparison says."""
    if tested.decision != "promote":
        return tested
    reason = (
        "people took this model back, so it is not promoted again by itself: to have it back, give its version the "
        "alias champion in MLflow"
    )
    return replace(tested, decision="keep", reasons=[reason, *tested.reasons])


def not_measured(challenger: str, champion: str | None) -> Decision:
    """Promote nothing that was never measured on people's labels."""
    reason = "no clip of the test split has a label by people, so the model cannot be measured"
    return Decision("keep", "", None, None, [reason], challenger, champion)


def compare(
    challenger: str, champion: str, right: tuple[NDArray[np.bool_], NDArray[np.bool_]], alpha: float
) -> Decision:
    """Promote if the challenger is right significantly more often than the champion on the same test clips.

    Args:
        challenger: bundle version.
        champion: bundle version.
        right: for each model, bool (n): right or wrong on each test clip.
        alpha: chance that a challenger which is no better is promoted.
    """
    p_value = mcnemar(*right)
    effect = float(right[0].mean() - right[1].mean())
    promote = p_value <= alpha
    verdict = "better" if promote else "not shown to be better"
    reason = (
        f"on {len(right[0])} test clips the challenger's accuracy is {effect:+.3f} against the champion's: {verdict} "
        f"(p = {p_value:.3g}, {'at most' if promote else 'over'} {alpha:g})"
    )
    return Decision(
        "promote" if promote else "keep",
        "exact McNemar test, one-sided",
        p_value,
        effect,
        [reason],
        challenger,
        champion,
    )
