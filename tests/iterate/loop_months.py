"""A month in which the loop is asked once a day, by the product's own rules, about what the monitor calls drift.

What serves, and what is trained, are the cheap models of `tests.months`. Drift is told each day, and the clips of all
days are alike, as after a style that changed once and stays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from tests.months import ACCURACY, DAYS, Clips, Gate, Models, Right, Ruling, scored

from cu_pipeline.evaluation.bootstrap import Bootstrap
from cu_pipeline.evaluation.paired_test import PairedGain
from cu_pipeline.iterate.decide import Action, LoopDecision, Money, decide
from cu_pipeline.iterate.finding import Finding, FoundCause
from cu_pipeline.iterate.fitness import Audited, Promise, judge
from cu_pipeline.iterate.ledger import IterationLine
from cu_pipeline.iterate.options import IterateOptions
from cu_pipeline.iterate.outcome import line_of
from cu_pipeline.iterate.standing_audit import Champions, Likeness
from cu_pipeline.iterate.state import Iteration, StepName, StepRecord

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
STYLE = FoundCause("new_style", "a new style")
RICH = Money(queue_usd=1e4, queue_clips=1000, clip_usd=0.04 / 0.9)
NEVER = 10**6

Reached = Callable[[int, float], float]


@dataclass
class LoopMonth:
    """The loop of one capability.

    Attributes:
        random: draws clips and models.
        fall: by which the champion's accuracy is lower on what the service sees now.
        reached: number of a training, from 1, and what serves -> how good its challenger truly is there.
        options: of the loop.
        margin: `non_inferiority_margin`.
        causes: what the monitor names, day by day, over and over.
    """

    random: np.random.Generator
    fall: float
    reached: Reached
    options: IterateOptions = field(default_factory=IterateOptions)
    margin: float = 0.0
    causes: Sequence[FoundCause] = (STYLE,)
    lines: list[IterationLine] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    truth: list[float] = field(default_factory=list)
    last: LoopDecision | None = None

    def __post_init__(self) -> None:
        most = self.options.choose.max_clips
        self.clips = Clips.of(self.random, round(most * self.options.choose.test_share))
        self.models = Models(self.clips, self.random)
        self.version, self.served, self.trainings, self.block = "v0", ACCURACY - self.fall, 0, 0
        self.gate = Gate(self.clips, self._model(self.served), margin=self.margin)

    def _model(self, fresh: float) -> Right:
        """A model as good as any on what was before, and right as often as is told on what is new."""
        return self.models.draw(np.where(self.clips.day[self.clips.unit] == 0, ACCURACY, fresh))

    def run(self) -> "LoopMonth":
        """Ask the loop each day."""
        for day in range(1, DAYS + 1):
            self.labels.append(0)
            self._turn(day)
            self.truth.append(self.served)
        return self

    def _turn(self, day: int) -> None:
        """Audit, or train, or both as an audit has it, or do nothing."""
        at = BEGIN + timedelta(days=day)
        serving = {"topic": self.version}
        champions = Champions(serving, lambda _: Likeness(alike=True, told="5 tests"))
        cause = self.causes[day % len(self.causes)]
        told = Finding("drift", causes=(cause,), look=f"look {day}", window=(at - timedelta(days=1), at))
        found = decide(told, self.lines, RICH, self.options, at, "", champions)
        self.last = found
        if found.action is Action.NOTHING or found.action is Action.ALERT:
            return
        facts = {
            "action": found.action.value, "reason": found.reason, "look": told.look, "champions": serving,
            "cause": {"kind": cause.kind, "in_words": cause.in_words}, "audit": found.audit,
            "window": {"start": (at - timedelta(days=1)).isoformat(), "end": at.isoformat()},
        }  # fmt: skip
        if not found.audit:
            self.block += 1
        if found.action is Action.AUDIT:
            steps = self._audit(min(found.clips, self.options.audit.clips))
        else:
            steps = self._train(found.clips)
        self._enter({StepName.DECIDE: facts} | steps, at)
        if self.lines[-1].found_worse:
            self._turn(day)

    def _enter(self, facts: dict[StepName, dict], at: datetime) -> None:
        """Write the ledger's line as the runner does."""
        moment = at.isoformat()
        steps = tuple(StepRecord(name, moment, moment, seconds=1.0, facts=one) for name, one in facts.items())
        line = line_of(Iteration(len(self.lines) + 1, moment, steps=steps), 0.0, vetoed=False)
        self.lines.append(replace(line, ended=moment))

    def _audit(self, clips: int) -> dict[StepName, dict]:
        """Ask about clips of the day, and leave the others out unless a training comes of it."""
        mine = np.flatnonzero(self.clips.day == self.block)
        rows = mine[: np.searchsorted(self.clips.sizes[mine].cumsum(), clips) + 1]
        self.rest = np.setdiff1d(mine, rows)
        self.clips.day[self.rest] = NEVER
        chosen = np.isin(self.clips.unit, rows)
        found = Audited(scored(self.gate.champion[chosen]), self.clips.unit[chosen].astype(str))
        told = judge(self.version, found, self._promise(), self.options.audit, Bootstrap(1, 50))
        effect = {"topic": told.to_json() | {"serves": self.version}}
        return self._asked(int(chosen.sum())) | {StepName.AUDIT: {"effect": effect, "told": told.why}}

    def _promise(self) -> Promise:
        """What the champion's own test clips tell of it."""
        rows = np.flatnonzero(self.clips.tested & (self.clips.day <= self.gate.learned))
        right = np.add.reduceat(self.gate.champion.astype(float), self.gate.starts)[rows]
        gain = PairedGain(right, self.clips.sizes[rows])
        return Promise(gain.effect, gain.standard_error, gain.freedom)

    def _train(self, clips: int) -> dict[StepName, dict]:
        """Train a challenger, and bring it before the gate on the day's clips, those of its audit included."""
        if self.lines and self.lines[-1].found_worse:
            self.clips.day[self.rest] = self.block
        self.trainings += 1
        accuracy = self.reached(self.trainings, self.served)
        right, challenger = self._model(accuracy), f"v{self.trainings}"
        ruled = self.gate.rule(self.block, right)
        served = self._asked(clips) | {StepName.TRAIN: {"gate": {"topic": self._row(ruled, challenger)}}}
        if ruled.promoted:
            self.gate.promote(self.block, right, ruled)
            self.version, self.served = challenger, accuracy
            served |= {StepName.APPROVE: {"way": ""}, StepName.DELIVER: {"serving": {"topic": challenger}}}
        return served

    def _row(self, ruled: Ruling, challenger: str) -> dict:
        fresh = None if ruled.parts is None else ruled.parts.to_json()
        decision = "promote" if ruled.promoted else "keep"
        models = {"champion": self.version, "challenger": challenger}
        return {"decision": decision, "effect": ruled.gain.effect, "fresh": fresh} | models

    def _asked(self, clips: int) -> dict[StepName, dict]:
        self.labels[-1] += clips
        usd = clips * RICH.clip_usd
        return {StepName.CHOOSE: {"requested": clips}, StepName.ASK_PEOPLE: {"clips": clips, "committed_usd": usd}}

    @property
    def rests(self) -> bool:
        """Whether the loop does nothing any more about this traffic."""
        return self.last is not None and self.last.action is Action.NOTHING


def loop_months(number: int, fall: float, reached: Reached, **how: object) -> list[LoopMonth]:
    """Several months."""
    return [LoopMonth(np.random.default_rng([run, 15]), fall, reached, **how).run() for run in range(number)]


def per_day(months: list[LoopMonth], what: str) -> NDArray[np.float64]:
    """`labels` or `truth` of each day: (months, days)."""
    return np.array([getattr(one, what) for one in months], dtype=float)
