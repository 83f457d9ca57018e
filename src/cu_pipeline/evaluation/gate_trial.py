"""A test of a challenger on test clips that may have served before."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from cu_pipeline.evaluation.account import MAJORITY, Account, GateTest, Standing
from cu_pipeline.evaluation.contest import Contest
from cu_pipeline.evaluation.paired_test import TEST, PairedGain
from cu_pipeline.evaluation.power import power_of
from cu_pipeline.evaluation.shrinkage import shrunk_gain


@dataclass(frozen=True)
class Trial:
    """The outcome of a test at the level that the test clips still allowed.

    Attributes:
        gain: the challenger's in accuracy.
        p_value: of this test, or of the first one of the same two models.
        level: of the test that counts.
        standing: what the clips had been used for.
        earlier: the first test of the same two models; None: this is the first.
        entries: the new test for the account; none if there was one before.
    """

    gain: PairedGain
    p_value: float
    level: float
    standing: Standing
    earlier: GateTest | None
    entries: list[GateTest]

    @classmethod
    def of(
        cls,
        contest: Contest,
        gain: PairedGain,
        p_value: float,
        account: Account,
        alpha: float,
        level: float | None = None,
    ) -> Self:
        """Make the test, and pay for it unless the same two models were tested before.

        Args:
            contest: whose clips are used.
            gain: the challenger's in accuracy.
            p_value: of the test.
            account: of the capability.
            alpha: chance of any wrong promotion on one set of test clips.
            level: of the test; None: what the clips together leave of alpha.
        """
        standing = account.standing(contest.keys, list(contest.units), alpha)
        opponent = MAJORITY if contest.opposed is None else contest.champion or MAJORITY
        earlier = account.answered(contest.challenger, opponent, contest.keys)
        if earlier is not None:
            return cls(gain, earlier.p_value, earlier.alpha, standing, earlier, [])
        level = standing.alpha if level is None else level
        outcome = (level, p_value, gain.effect)
        entry = account.enter((contest.challenger, opponent), outcome, contest.keys, gain.units)
        return cls(gain, p_value, level, standing, None, [entry])

    def promoting(self, contest: Contest, account: Account, shortfall: float) -> list[GateTest]:
        """The entries of a challenger that is promoted.

        Args:
            contest: whose clips are used.
            account: of the capability.
            shortfall: of the challenger. Where a test before kept it back, another one tells this.
        """
        if not shortfall or (self.earlier is not None and self.earlier.shortfall):
            return self.entries
        outcome = (self.level, self.p_value, self.gain.effect)
        models = (contest.challenger, contest.champion or MAJORITY)
        made = self.entries or [account.enter(models, outcome, contest.keys, self.gain.units)]
        return [replace(one, shortfall=shortfall) for one in made]

    @property
    def shown_better(self) -> bool:
        """Whether the challenger is."""
        return self.p_value <= self.level

    @property
    def effect_shrunk(self) -> float | None:
        """What the gain is likely worth, where it is shown only because it passed."""
        from scipy.stats import t

        if not self.shown_better:
            return None
        threshold = float(t.isf(self.level, self.gain.freedom))
        return shrunk_gain(self.gain.effect, self.gain.standard_error, threshold)

    def p_told(self) -> str:
        """The p-value beside its level, and why this is so."""
        told = f"p = {self.p_value:.2g}, {'at most' if self.shown_better else 'over'} {self.level:.2g}"
        if self.earlier is not None:
            return f"{told}, as when it was tested first, on {self.earlier.clips} clips"
        before = self.standing.tests
        times = "1 test" if before == 1 else f"{before:.3g} tests"
        return f"{told}, as the clips have served {times} before" if before else told

    def worth_told(self) -> Iterator[str]:
        """What the gain is likely worth."""
        if self.effect_shrunk is not None:
            yield f"the gain is likely worth {self.effect_shrunk:+.3f}, as what passes a test looks better than it is"

    def facts(self) -> dict[str, Any]:
        """What a decision says of its test."""
        return {
            "test": TEST,
            "p_value": self.p_value,
            "effect": self.gain.effect,
            "interval": self.gain.interval(),
            "alpha": self.level,
            "account": self.standing.to_json(),
            "power": power_of(self.gain, self.level).to_json(),
        }

    def outlook(self) -> Iterator[str]:
        """Say what the test could not see, where it saw nothing."""
        if not self.shown_better:
            yield str(power_of(self.gain, self.level))
