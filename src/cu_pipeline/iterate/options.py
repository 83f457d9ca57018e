"""Parameters of the loop."""

import re
from enum import StrEnum
from typing import Literal

from pydantic import Field, field_validator

from cu_pipeline.core.options import Options, Share
from cu_pipeline.iterate.alerts.options import AlertOptions


class PeopleKind(StrEnum):
    """Who labels what machines cannot.

    Attributes:
        AUTO: simulated people in a project of the generated feed; else Label Studio where its token is given, or files.
        SIMULATED: programs that know the generated world's truth and err now and then. They are no people.
        LABEL_STUDIO: people, by a Label Studio server.
        FILES: people, by a file that is written for them and read with `kedro labels import`.
    """

    AUTO = "auto"
    SIMULATED = "simulated"
    LABEL_STUDIO = "label_studio"
    FILES = "files"


class SimulatedOptions(Options):
    """Simulated people, for the generated world.

    Attributes:
        error_rate: share of their answers that are wrong; None: each person's own, 2 to 25 %.
    """

    error_rate: Share | None = 0.05


class ChooseOptions(Options):
    """Which of the clips that the service saw are labelled.

    Attributes:
        max_clips: of one iteration.
        least_clips: without so many to choose from nothing is asked.
        latest: newest clips that are chosen from.
        test_share: of them, those of an audit included, that are drawn at random to test on.
        random_share: of the others that are drawn at random; the rest is chosen by value.
        per_unit: clips of one creator, at most.
        along: clips to learn from that nobody is asked about, at most, since rules answer about them for nothing.
    """

    max_clips: int = Field(default=160, ge=1)
    least_clips: int = Field(default=20, ge=1)
    latest: int = Field(default=2000, ge=1)
    test_share: Share = 0.6
    random_share: Share = 0.2
    per_unit: int = Field(default=8, ge=1)
    along: int = Field(default=200, ge=0)


class AuditOptions(Options):
    """Whether champions are worse on drifted clips is asked of people before anything is trained.

    Attributes:
        enabled: whether; else a drift that a model can learn is trained on at once.
        clips: random clips that people are asked about, at most.
        least_clips: without so many there is no audit: what cannot be audited is trained on.
        worst_drop: a champion is fit where a fall of accuracy by as much as this is ruled out.
        alpha: chance that one that has fallen so far is taken for fit.
        stands_days: for how long an audit stands.
        training_stands_days: for how long a training stands; then what serves is audited again.
    """

    enabled: bool = True
    clips: int = Field(default=60, ge=1)
    least_clips: int = Field(default=15, ge=2)
    worst_drop: Share = 0.05
    alpha: float = Field(default=0.2, gt=0, lt=1)
    stands_days: float = Field(default=90.0, ge=0, allow_inf_nan=False)
    training_stands_days: float = Field(default=7.0, ge=0, allow_inf_nan=False)


class BudgetOptions(Options):
    """What the loop may spend on people, in US dollars; `label.queue.budget_usd` bounds it too.

    Attributes:
        iteration_usd: of one iteration.
        month_usd: of all iterations that began within 30 days.
    """

    iteration_usd: float = Field(default=15.0, ge=0)
    month_usd: float = Field(default=100.0, ge=0)


class GuardOptions(Options):
    """What keeps the loop from acting.

    Attributes:
        cooldown_h: hours after an iteration has trained in which no other one does.
        least_test_clips: that the service saw and people labelled, without which no challenger is promoted.
        approval: whether a person must approve each promotion.
        failures: errors of one step after which an iteration is given up.
    """

    cooldown_h: float = Field(default=24.0, ge=0, allow_inf_nan=False)
    least_test_clips: int = Field(default=15, ge=1)
    approval: bool = False
    failures: int = Field(default=3, ge=1)


class LoopRolloutOptions(Options):
    """How a challenger that the gate promotes comes to serve.

    Attributes:
        enabled: whether it is tried on live traffic first; else it serves at once.
        mode: `shadow` or `canary`.
        percent: of creators that get a canary's answers.
        days: after which it is rolled back without a decision.
    """

    enabled: bool = False
    mode: Literal["shadow", "canary"] = "shadow"
    percent: float = Field(default=10.0, gt=0, le=100)
    days: float = Field(default=14.0, gt=0, allow_inf_nan=False)


class IterateOptions(Options):
    """The loop.

    Attributes:
        capture: the feed of what the service kept of its requests.
        people: who labels.
        simulated: how simulated people answer.
        choose: which clips are labelled.
        audit: whether champions are worse is asked before anything is trained.
        budget: what may be spent.
        guards: what keeps the loop from acting.
        rollout: how a new model comes to serve.
        alerts: who is told of what.
    """

    capture: str = "capture"
    people: PeopleKind = PeopleKind.AUTO
    simulated: SimulatedOptions = SimulatedOptions()
    choose: ChooseOptions = ChooseOptions()
    audit: AuditOptions = AuditOptions()
    budget: BudgetOptions = BudgetOptions()
    guards: GuardOptions = GuardOptions()
    rollout: LoopRolloutOptions = LoopRolloutOptions()
    alerts: AlertOptions = AlertOptions()

    @field_validator("capture")
    @classmethod
    def _is_kept_by_the_service(cls, feed: str) -> str:
        if not re.fullmatch(r"capture(:.*\S)?", feed):
            raise ValueError("allowed are capture, the project's own, and capture:FOLDER")
        return feed
