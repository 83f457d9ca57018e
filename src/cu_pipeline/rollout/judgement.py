"""What the evidence of a rollout decides, and the same in words.

Four tests may roll a challenger back, and share `alpha` among them; one may promote it, with an `alpha` of its own.
Each is an e-process, so that none of them minds how often it is looked at:

=============  ======================================================================  =====
test           the hypothesis that it has to disprove                                  alpha
=============  ======================================================================  =====
worse          the next creator's clip is at least as likely to be right by the        70 %
               challenger as by the champion
disagreement   the next creator's clip gets different labels with at most the limit    10 %
errors         the challenger alone fails to answer at most the limit                  10 %
latency        at most half of the answers take longer than the limit                  10 %
better         the challenger is at most as likely to be right as the champion; with   100 %
               goal `not_worse`: less likely by the margin or more
=============  ======================================================================  =====

Each is meant for the next creator, or the next creator of an hour, whatever came before. Errors and latency are
watched for what begins at any time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import numpy as np

from cu_pipeline.rollout.betting import Tally, counts, log_wealth
from cu_pipeline.rollout.evidence import Evidence
from cu_pipeline.rollout.plan import Limits, Rollout, Status

Name = Literal["worse", "disagreement", "errors", "latency", "better"]

SHARES: Final[dict[Name, float]] = {"worse": 0.7, "disagreement": 0.1, "errors": 0.1, "latency": 0.1, "better": 1.0}
"""Of `alpha`, which those that roll back share."""

_ORDER: Final[tuple[Name, ...]] = ("errors", "latency", "worse", "better", "disagreement")
"""Of those that decide at the same look the first counts: who is shown to be better may differ."""

_BY_FEEDBACK: Final = frozenset({"worse", "better"})


@dataclass(frozen=True)
class Test:
    """How far a test has come.

    Attributes:
        name: of the test.
        log_odds: natural logarithm of the evidence against its hypothesis.
        needed: likewise, of what decides.
        tally: what it was found from.
    """

    __test__ = False  # for pytest

    name: Name
    log_odds: float
    needed: float
    tally: Tally

    @property
    def decides(self) -> bool:
        """Whether its hypothesis is disproved."""
        return self.log_odds >= self.needed


@dataclass(frozen=True)
class Decision:
    """How a rollout is to end.

    Attributes:
        status: promoted or rolled_back.
        reason: in words.
        is_shown: whether the evidence shows that the challenger is not to be used; False: it was only not shown better.
    """

    status: Status
    reason: str
    is_shown: bool = True


def tests(limits: Limits, evidence: Evidence) -> dict[Name, Test]:
    """Weigh the evidence, by name of the test."""
    least = -limits.margin if limits.goal == "not_worse" else 0.0
    differing, correct = evidence.disagreement, evidence.quality
    found: dict[Name, tuple[Tally, float]] = {
        "worse": (correct.flipped, _weigh(correct.flipped, 0.0)),
        "disagreement": (differing, _weigh(differing, limits.disagreement, low=0.0)),
        "errors": (evidence.errors, evidence.failing),
        "latency": (evidence.latency, evidence.slowness),
        "better": (correct, _weigh(correct, least)),
    }
    return {name: Test(name, weight, needed(limits, name), tally) for name, (tally, weight) in found.items()}


def _weigh(tally: Tally, null: float, low: float = -1.0) -> float:
    return float(log_wealth(counts(tally), null, low))


def needed(limits: Limits, name: Name) -> float:
    """The natural logarithm of the evidence that a test decides at."""
    return float(-np.log(limits.alpha * SHARES[name]))


def decide(rollout: Rollout, evidence: Evidence, now: datetime) -> Decision | None:
    """Say whether a rollout ends, and how; None: it goes on.

    Args:
        rollout: that runs.
        evidence: so far.
        now: of the look.
    """
    limits = rollout.limits
    found = tests(limits, evidence)
    counted = evidence.quality.n >= limits.units
    for name in _ORDER:
        if found[name].decides and (counted or name not in _BY_FEEDBACK):
            status: Status = "promoted" if name == "better" else "rolled_back"
            return Decision(status, reason_of(limits, found[name]))
    if ended := _end(rollout, evidence, now):
        asked = "better" if limits.goal == "better" else f"not worse by {limits.margin:.0%}"
        return Decision("rolled_back", f"not shown {asked} {ended}: {quality(evidence.quality)}", is_shown=False)
    return None


def _end(rollout: Rollout, evidence: Evidence, now: datetime) -> str:
    limits = rollout.limits
    if now - rollout.started >= timedelta(days=limits.days):
        return f"within {limits.days:g} days"
    return f"within {limits.requests:,} requests" if evidence.requests >= limits.requests else ""


def reason_of(limits: Limits, test: Test) -> str:
    """Why a test decides, with its evidence as odds."""
    tally = test.tally
    share = f"{tally.up} of {tally.n}"
    told = {
        "worse": f"the challenger is worse: {quality(tally.flipped)}",
        "better": f"the challenger is {_better(limits)}: {quality(tally)}",
        "disagreement": f"its answers differ too often: for {share} creators, limit {limits.disagreement:.0%}",
        "errors": f"it fails too often: alone in {share}, the champion in {tally.down}, limit {limits.errors:.1%}",
        "latency": f"it is too slow: {share} answers took over {limits.latency:g} times as long as the champion's",
    }[test.name]
    return f"{told} (odds {odds(test.log_odds)}; {odds(test.needed)} decide)"


def _better(limits: Limits) -> str:
    return "better" if limits.goal == "better" else f"not worse by {limits.margin:.0%} or more"


def quality(tally: Tally) -> str:
    """Who was right, in words.

    >>> quality(Tally(down=2, same=30, up=9))
    'of 41 creators with feedback it alone was right for 9, the champion alone for 2'
    """
    right = f"it alone was right for {tally.up:,}, the champion alone for {tally.down:,}"
    return f"of {tally.n:,} creators with feedback {right}"


def odds(log_odds: float) -> str:
    """Evidence as people say it.

    >>> odds(0.0), odds(np.log(12.34)), odds(np.log(0.25)), odds(30.0)
    ('1 : 1', '12 : 1', '1 : 4', 'over 1,000,000 : 1')
    """
    if abs(log_odds) > np.log(1e6):
        return "over 1,000,000 : 1" if log_odds > 0 else "under 1 : 1,000,000"
    ratio = np.exp(abs(log_odds))
    shown = f"{ratio:.2g}" if ratio < 10 else f"{ratio:,.0f}"
    return f"{shown} : 1" if log_odds >= 0 else f"1 : {shown}"
