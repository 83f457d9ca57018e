"""Simulated people, who label clips of the generated world: they know the truth, and err at a stated rate.

They stand for people where a demonstration must run by itself. Their names begin with `simulated/`, so that nothing
that they say passes for a person's word.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from cu_pipeline.core.capability import NOT_APPLICABLE, Capability, Kind
from cu_pipeline.iterate.options import SimulatedOptions
from cu_pipeline.iterate.state import now
from cu_pipeline.labeling.people.batches import Review
from cu_pipeline.labeling.people.work_log import AnswerState, PersonAnswer
from cu_pipeline.sample.people import SAFETY_LABELS
from cu_pipeline.sample.truth import Truth, original_id
from cu_pipeline.sample.world import ANNOTATORS, stream

PLACE: Final = "simulated people"
"""Where their batches go."""

PREFIX: Final = "simulated/"
"""How their names begin."""

_SECONDS: Final = 8.0


def answers(reviews: Iterable[Review], truth: Truth, options: SimulatedOptions, seed: int) -> Iterator[PersonAnswer]:
    """Answer what waits in batches. Who is asked the same twice says the same.

    A clip that is not of the generated world is skipped.

    Args:
        reviews: of batches that wait.
        truth: of the clips.
        options: how they answer.
        seed: of the world.
    """
    for review in reviews:
        for item in review.batch.items:
            given = {one.annotator for one in review.answers.get(item.clip_id, ())}
            right = truth.get(original_id(item.clip_id))
            names = [name for name in ANNOTATORS if f"{PREFIX}{name}" not in given]
            for number, name in enumerate(names[: max(review.batch.terms.redundancy - len(given), 0)]):
                labels = {} if right is None else _labels(review, right, (item.clip_id, name, seed), options)
                yield PersonAnswer(
                    batch=review.batch.batch,
                    clip_id=item.clip_id,
                    annotation=len(given) + number + 1,
                    annotator=f"{PREFIX}{name}",
                    time=now(),
                    seconds=_SECONDS,
                    state=AnswerState.ANSWERED if labels else AnswerState.SKIPPED,
                    labels=labels,
                )


def _labels(
    review: Review, right: Mapping[str, str], key: tuple[str, str, int], options: SimulatedOptions
) -> dict[str, str]:
    """What one person says of a clip, for the capabilities that the generated world has."""
    clip, name, seed = key
    rate = ANNOTATORS[name] if options.error_rate is None else options.error_rate
    found = {}
    for capability, meaning in review.batch.capabilities.items():
        if capability not in right:
            continue
        rng = stream(seed, "simulated", clip, capability, name)
        allowed = _allowed(meaning)
        label = right[capability] if right[capability] in allowed else NOT_APPLICABLE
        if rng.random() < rate:
            wrong = [one for one in allowed if one != label]
            label = wrong[int(rng.integers(len(wrong)))]
        found[capability] = label
    return found


def _allowed(capability: Capability) -> tuple[str, ...]:
    return capability.classes if capability.kind is Kind.SINGLE else SAFETY_LABELS
