from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.labeling.guarantee.certificate import Certificate, Terms
from cu_pipeline.labeling.guarantee.results import SUREST, Trial, Verdict
from cu_pipeline.labeling.guarantee.thresholds import certify, certify_each_class, route
from cu_pipeline.labeling.sources.source import Machine, most_confident


@dataclass(frozen=True)
class Question:
    """What machines say of two sets of clips.

    Attributes:
        capability: that they answer.
        calibration: (n,) machines' answers to the calibration clips, the cheapest machine first.
        truth: (n,) people's labels of these.
        pool: the same machines' answers to the m clips that are to be routed.
        human_price: US dollars.
    """

    capability: Capability
    calibration: Sequence[Machine]
    truth: NDArray[np.object_]
    pool: Sequence[Machine]
    human_price: float

    def on(self, rows: NDArray[np.int64]) -> "Question":
        """Give the same about the calibration clips at the positions `rows` only."""
        return replace(self, calibration=[one.take(rows) for one in self.calibration], truth=self.truth[rows])

    def put(self, trial: Trial) -> list[Verdict]:
        """Test the machines at the trial's delta."""
        terms = Terms(trial.terms["alpha"], trial.delta, tuple(one.price for one in self.pool), self.human_price)
        return self._each_answer(terms) if trial.terms["per_class"] else self._all_answers(terms)

    def _all_answers(self, terms: Terms) -> list[Verdict]:
        right = np.column_stack([machine.answers == self.truth for machine in self.calibration])
        found = certify(_confidence(self.calibration), right, _confidence(self.pool), terms)
        return [_verdict("", found, [machine.kind.value for machine in self.pool])]

    def _each_answer(self, terms: Terms) -> list[Verdict]:
        """Test each answer on its own; in a multi-label capability an answer is a set of classes."""
        (sure, said), (pool_sure, pool_said) = surest(self.calibration, len(self.truth)), surest(self.pool)
        single = self.capability.kind is Kind.SINGLE
        answers = list(self.capability.classes) if single else sorted(set(pool_said) - {""})
        codes = {answer: code for code, answer in enumerate(answers)}
        found = certify_each_class(
            sure,
            _codes(said, codes),
            _codes(self.truth, codes),
            (pool_sure, _codes(pool_said, codes)),
            Terms(terms.alpha, terms.delta, (sum(terms.prices),), terms.human_price),
            len(answers),
        )
        return [_verdict(answer, one, [SUREST]) for answer, one in zip(answers, found, strict=True)]


def accepted_by(machines: Sequence[Machine], verdicts: Sequence[Verdict], clips: int) -> NDArray[np.int64]:
    """Give for each clip the machine whose answer is certified, (clips,); -1 where none is.

    Machines are taken in the order in which they were tested, whatever they cost now.
    """
    chosen: NDArray[np.int64] = np.full(clips, -1, dtype=np.int64)
    if not machines:
        return chosen
    for verdict in verdicts:
        if SUREST in verdict.thresholds:
            sure, said = surest(machines)
            holds = (said == verdict.answer) & (sure >= verdict.thresholds[SUREST])
            chosen[holds] = most_confident(list(machines), clips)[holds]
        elif verdict.thresholds:
            place = {machine.kind.value: number for number, machine in enumerate(machines)}
            kinds = [kind for kind in verdict.order if kind in place]
            if kinds:
                turns = [place[kind] for kind in kinds]
                thresholds = np.array([verdict.thresholds[kind] for kind in kinds])
                chosen = np.array([*turns, -1])[route(_confidence(machines)[:, turns], thresholds)]
    return chosen


def surest(machines: Sequence[Machine], clips: int = 0) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Give each clip's highest confidence and the answer that has it."""
    if not machines:
        return np.full(clips, -np.inf), np.full(clips, "", dtype=object)
    rows = np.arange(len(machines[0].answers))
    best = _confidence(machines).argmax(axis=1)
    answers = np.column_stack([machine.answers for machine in machines])
    return _confidence(machines)[rows, best], answers[rows, best]


def _confidence(machines: Sequence[Machine]) -> NDArray[np.float64]:
    return np.column_stack([machine.confidence for machine in machines])


def _codes(answers: NDArray[np.object_], codes: dict[str, int]) -> NDArray[np.int64]:
    return np.array([codes.get(answer, -1) for answer in answers], dtype=np.int64)


def _verdict(answer: str, found: Certificate, kinds: Sequence[str]) -> Verdict:
    found_at = {kind: value for kind, value in zip(kinds, found.thresholds, strict=True) if np.isfinite(value)}
    numbers = (found.accepted, found.wrong, found.p_value, found.more_labels)
    return Verdict(answer, dict(sorted(found_at.items())), *numbers, sequence=list(found_at))
