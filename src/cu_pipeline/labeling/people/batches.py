"""What became of the batches that people got, and which of their answers count: a function of the logs alone."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import pandas as pd

from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.records import ANNOTATIONS, TEXT, AnnotatorKind, table
from cu_pipeline.labeling.people.work_log import (
    AnswerState,
    BatchDecided,
    BatchOpened,
    Draw,
    Item,
    PersonAnswer,
    latest,
)

_log = logging.getLogger(__name__)


class State(StrEnum):
    """Where a batch stands."""

    OPEN = "open"
    REVIEW = "in review"
    DONE = "done"


@dataclass(frozen=True)
class Review:
    """A batch, and what its answers say about it.

    Attributes:
        batch: as it was opened.
        answers: the clip's id -> what stands of its answers, the skipped ones included.
        state: open until each clip has its answers; in review while nothing decides; then done.
        accepted: whether its answers count.
        reason: for the state, in words.
        gold_right: right answers to gold questions.
        gold_asked: answers to gold questions.
    """

    batch: BatchOpened
    answers: Mapping[str, tuple[PersonAnswer, ...]]
    state: State
    accepted: bool
    reason: str
    gold_right: int
    gold_asked: int

    @property
    def complete(self) -> int:
        """How many clips have all their answers."""
        return sum(is_complete(self.answers.get(item.clip_id, ()), self.batch) for item in self.batch.items)

    @property
    def spent(self) -> float:
        """US dollars for the answers that came, whether they count or not."""
        given = sum(len(answer.labels) for answers in self.answers.values() for answer in answers)
        return given * self.batch.terms.price

    @property
    def committed(self) -> float:
        """US dollars for the answers that came and, unless the batch is done, those that are asked for."""
        asked = len(self.batch.items) * self.batch.terms.redundancy * len(self.batch.capabilities)
        return self.spent if self.state is State.DONE else max(self.spent, asked * self.batch.terms.price)

    @property
    def agreement(self) -> float | None:
        """Share of pairs of answers to the same question that are equal; None without a pair."""
        pairs = [
            first.labels[name] == second.labels[name]
            for answers in self.answers.values()
            for first, second in combinations(answers, 2)
            for name in first.labels.keys() & second.labels.keys()
        ]
        return sum(pairs) / len(pairs) if pairs else None


def review_batches(events: Iterable[BatchOpened | BatchDecided], answers: Sequence[PersonAnswer]) -> list[Review]:
    """Say where each batch stands, in the order in which they were opened.

    A person counts once for a clip, with the last answer. Once each clip of a batch has its answers, those to gold
    clips decide: it is accepted when the agreed share of them is right, and sent back when so few are right that
    people of the agreed accuracy would rarely do as badly (exact binomial test at level alpha). Between the two it
    stays in review until a person decides. A batch without gold is accepted.
    """
    opened: dict[str, BatchOpened] = {}
    decisions: dict[str, BatchDecided] = {}
    for event in events:
        if isinstance(event, BatchOpened):
            opened[event.batch] = event
        else:
            decisions[event.batch] = event
    if unknown := decisions.keys() - opened.keys():
        raise StoreError(f"decisions on batches that were never opened: {', '.join(sorted(unknown))}")
    by_batch: dict[str, list[PersonAnswer]] = defaultdict(list)
    for answer in latest(list(answers)).values():
        by_batch[answer.batch].append(answer)
    return [_review(batch, by_batch[name], decisions.get(name)) for name, batch in opened.items()]


def is_complete(answers: Sequence[PersonAnswer], batch: BatchOpened) -> bool:
    """Say whether a clip of a batch has all its answers."""
    return len(answers) >= batch.terms.redundancy


def accepted_answers(reviews: Iterable[Review]) -> Iterator[tuple[BatchOpened, Item, PersonAnswer]]:
    """List the answers that count."""
    for review in reviews:
        if review.accepted:
            for item in review.batch.items:
                for answer in review.answers.get(item.clip_id, ()):
                    if answer.state is AnswerState.ANSWERED:
                        yield review.batch, item, answer


def answered_clips(reviews: Sequence[Review], clip_ids: "pd.Series[str]") -> pd.DataFrame:
    """Collect the annotations of accepted batches on clips of the feed; say what is kept but not used.

    Args:
        reviews: of all batches.
        clip_ids: of the feed's usable clips.
    """
    annotations = people_annotations(reviews)
    here = annotations["clip_id"].isin(clip_ids)
    count("people_annotations", int(here.sum()))
    if gone := int((~here).sum()):
        _log.info("%d answers of people to clips that the feed no longer has are kept, but not used", gone)
    for review in reviews:
        if review.answers and not review.accepted:
            state = "sent back" if review.state is State.DONE else review.state.value
            _log.info("batch %s is %s, so its answers are not used: %s", review.batch.batch, state, review.reason)
    return annotations[here]


def people_annotations(reviews: Iterable[Review]) -> pd.DataFrame:
    """Turn the answers of accepted batches into annotations.

    Returns:
        A table with the columns of `records.ANNOTATIONS`, a row for each clip, capability and person: the last answer.
    """
    rows = [row for answer in accepted_answers(reviews) for row in _rows(*answer)]
    return table(rows, ANNOTATIONS).drop_duplicates(["clip_id", "capability", "annotator"], keep="last")


def paid_answers(events: Iterable[BatchOpened | BatchDecided], answers: Iterable[PersonAnswer]) -> pd.DataFrame:
    """Collect every answer that ever came in, whatever became of its batch: all of them are paid for.

    A person is paid once for a clip of a batch, also when the answer is changed or deleted later.

    Returns:
        A table with the columns of `records.ANNOTATIONS` and `batch`: rows with the same batch, clip, capability and
        person are one answer that was changed, in order.
    """
    opened = {event.batch: event for event in events if isinstance(event, BatchOpened)}
    items = {(name, item.clip_id): item for name, batch in opened.items() for item in batch.items}
    rows = [
        row | {"batch": answer.batch}
        for answer in answers
        if answer.state is AnswerState.ANSWERED and (answer.batch, answer.clip_id) in items
        for row in _rows(opened[answer.batch], items[answer.batch, answer.clip_id], answer)
    ]
    return table(rows, ANNOTATIONS | {"batch": TEXT})


def unused_batches(reviews: Iterable[Review]) -> dict[str, str]:
    """Find the batches whose answers are not used, each with what became of it in words."""
    return {
        one.batch.batch: "sent back" if one.state is State.DONE else "not accepted yet"
        for one in reviews
        if not one.accepted
    }


def _review(batch: BatchOpened, answers: Iterable[PersonAnswer], decision: BatchDecided | None) -> Review:
    standing = _standing(answers)
    right, asked = _gold(batch, standing)
    complete = all(is_complete(standing.get(item.clip_id, ()), batch) for item in batch.items)
    state, accepted, reason = _state(batch, complete, right, asked, decision)
    return Review(batch, standing, state, accepted, reason, right, asked)


def _standing(answers: Iterable[PersonAnswer]) -> dict[str, tuple[PersonAnswer, ...]]:
    """Sort out each clip's answers, the last one of each person, those that were deleted left out."""
    by_clip: dict[str, dict[str, PersonAnswer]] = defaultdict(dict)
    for answer in sorted(answers, key=lambda one: (one.time, one.annotation)):
        if answer.state is not AnswerState.DELETED:
            by_clip[answer.clip_id][answer.annotator] = answer
    return {clip: tuple(people.values()) for clip, people in by_clip.items()}


def _gold(batch: BatchOpened, standing: Mapping[str, tuple[PersonAnswer, ...]]) -> tuple[int, int]:
    marks = [
        answer.labels[name] == truth
        for item in batch.items
        if item.draw is Draw.GOLD
        for answer in standing.get(item.clip_id, ())
        for name, truth in item.gold.items()
        if name in answer.labels
    ]
    return sum(marks), len(marks)


def _state(
    batch: BatchOpened, complete: bool, right: int, asked: int, decision: BatchDecided | None
) -> tuple[State, bool, str]:
    if decision:
        return State.DONE, decision.accepted, f"decided by a person: {decision.reason}"
    if not complete:
        return State.OPEN, False, "answers are missing"
    if not asked:
        return State.DONE, True, "no gold clip was answered, so nothing speaks against it"
    wanted, alpha = batch.terms.gold_accuracy, batch.terms.alpha
    seen = f"{right} of {asked} gold answers are right"
    if right >= wanted * asked:
        return State.DONE, True, f"{seen}; {wanted:.0%} are enough"
    p_value = _at_most(right, asked, wanted)
    chance = f"people who are right {wanted:.0%} of the time do as badly with probability {p_value:.2g}"
    if p_value <= alpha:
        return State.DONE, False, f"{seen}; {chance}, which is at most {alpha:g}"
    return State.REVIEW, False, f"{seen}, below {wanted:.0%}, but {chance}: decide yourself"


def _at_most(right: int, asked: int, chance: float) -> float:
    from scipy.special import bdtr

    return float(bdtr(right, asked, chance))


def _rows(batch: BatchOpened, item: Item, answer: PersonAnswer) -> Iterator[dict[str, object]]:
    for capability, label in answer.labels.items():
        yield {
            "clip_id": item.clip_id,
            "capability": capability,
            "annotator": answer.annotator,
            "kind": AnnotatorKind.HUMAN.value,
            "label": label,
            "probability": float("nan"),
            "probabilities": "",
            "price": batch.terms.price,
            "version": "",
            "draw": "" if item.draw is Draw.GOLD else item.draw.value,
        }
