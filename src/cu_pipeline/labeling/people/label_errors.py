import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind, indicators, join_label, split_label
from cu_pipeline.core.decision import decide, tied
from cu_pipeline.core.lean import distinct, places, rows_where
from cu_pipeline.core.rows import BATCH
from cu_pipeline.labeling.copies import by_people, on_originals, originals
from cu_pipeline.labeling.people.crowd import people_say
from cu_pipeline.labeling.people.options import ErrorOptions, PeopleOptions
from cu_pipeline.labeling.people.other_captions import MOST_LEARNED, Captions, OtherCaptions, Questions

_AGAINST: Final = 2.0
"""How much likelier captions must make another answer, for a label to be listed that people do not doubt."""

_USED: Final = ["clip_id", "annotator", "label", "capability", "kind"]

_log = logging.getLogger(__name__)


def suspect_labels(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    capabilities: Mapping[str, Capability],
    people: PeopleOptions,
    options: ErrorOptions,
    seed: int,
) -> dict[str, Any]:
    """List people's labels that are most likely wrong.

    What people answered and what other clips' captions tell are put together as independent evidence: the probability
    of a class is proportional to that by people times that by a classifier of captions (logistic regression on TF-IDF,
    trained on other clips, as in confident learning, Northcutt et al. 2021), divided by the class's share of the
    labels: that a class is rare speaks against no label of it. The feed's own labels are taken to be wrong at a small
    rate, since else no evidence could tell. Clips of which people's votes are even have no label, and are left out.

    The list takes labels in turn, the worst of each, since a classifier is less sure of all clips of a rare class.

    Args:
        clips: the table of usable clips.
        annotations: people's.
        capabilities: the active ones.
        people: how their answers add up.
        options: of the search.
        seed: of the division into folds.

    Returns:
        Capability -> `clips` that were looked at and `suspects`, of each label the worst first: `clip_id`, `label` as
        given, `suggested`, and `score`: the probability that the label is right, were all classes equally common.
    """
    original_of = originals(clips)
    said = by_people(on_originals(annotations[_USED], original_of))
    found: dict[str, Any] = {}
    for name, capability in capabilities.items() if options.most else ():
        mine = rows_where(said, said["capability"] == name)
        judged = distinct(mine["clip_id"])
        given = people_say(mine, judged, capability, people)
        if (others := len(judged) - -(-len(judged) // options.folds)) > MOST_LEARNED:
            _log.info(
                "%s: what captions tell of the labels of %d clips is learned from %d of %d others, drawn at random",
                name, len(judged), MOST_LEARNED, others,
            )  # fmt: skip
        asked = Questions(given, capability)
        told = OtherCaptions(Captions(clips["text"], places(judged, clips["clip_id"])), asked, options.folds, seed)
        prior, labels = asked.prior(), list[str]()
        scores, listed = np.empty(len(judged)), np.empty(len(judged), dtype=np.bool_)
        for some in (np.arange(at, min(at + BATCH, len(judged))) for at in range(0, len(judged), BATCH)):
            votes = given.of(some)
            evidence, together = _weighed(votes, told.of(some), prior, capability.kind, options)
            answers = decide(votes, capability).labels
            scores[some] = _belief(answers, together, capability)
            listed[some] = (scores[some] < options.doubtful) | _spoken_against(answers, evidence, capability)
            listed[some] &= ~tied(votes, capability.kind)
            labels += answers
        order = _in_turn(labels, scores, np.flatnonzero(listed))[: options.most]
        _, together = _weighed(given.of(order), told.of(order), prior, capability.kind, options)
        suspects = [
            {
                "clip_id": judged[row],
                "label": labels[row],
                "suggested": _otherwise(labels[row], beliefs, capability),
                "score": round(float(scores[row]), 6),
            }
            for row, beliefs in zip(order, together, strict=True)
        ]
        found[name] = {"clips": len(judged), "suspects": suspects}
    return found


def _lifted(told: NDArray[np.float64], prior: NDArray[np.float64], kind: Kind) -> NDArray[np.float64]:
    if kind is Kind.SINGLE:
        lift = told / prior
        return lift / lift.sum(axis=1, keepdims=True)
    holds, fails = told / prior, (1 - told) / (1 - prior)
    return holds / (holds + fails)


def _weighed(
    given: NDArray[np.float64], told: NDArray[np.float64], prior: NDArray[np.float64], kind: Kind, options: ErrorOptions
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give what captions tell of clips, as if classes were equally common, and that with what people say."""
    even = 1 / given.shape[1] if kind is Kind.SINGLE else 0.5
    evidence = _lifted(told, prior, kind)
    return evidence, _together((1 - options.slip) * given + options.slip * even, evidence, kind)


def _together(people: NDArray[np.float64], told: NDArray[np.float64], kind: Kind) -> NDArray[np.float64]:
    joint = people * told
    against = joint.sum(axis=1, keepdims=True) if kind is Kind.SINGLE else joint + (1 - people) * (1 - told)
    return joint / against


def _spoken_against(labels: Sequence[str], evidence: NDArray[np.float64], capability: Capability) -> NDArray[np.bool_]:
    """Say where captions make another answer likelier than the given one by far, (n,)."""
    holds = _named(labels, capability)
    if capability.kind is Kind.SINGLE:
        single: NDArray[np.bool_] = _AGAINST * (evidence * holds).sum(axis=1) < evidence.max(axis=1, initial=0)
        return single
    right = np.where(holds, evidence, 1 - evidence)
    return np.asarray((_AGAINST * right < 1 - right).any(axis=1))


def _in_turn(labels: Sequence[str], scores: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order rows so that each label's worst come first in turn, among equals of a turn the worst."""
    worst_first = rows[np.lexsort((rows, scores[rows]))]
    label = pd.Series(pd.factorize(np.array([labels[row] for row in worst_first], dtype=object))[0])
    turn = label.groupby(label).cumcount().to_numpy()
    return worst_first[np.lexsort((worst_first, scores[worst_first], turn))]


def _otherwise(label: str, together: NDArray[np.float64], capability: Capability) -> str:
    """Find the likeliest answer besides the given one."""
    held = np.isin(np.array(capability.classes, dtype=object), split_label(label, capability.kind))
    if capability.kind is Kind.SINGLE:
        return capability.classes[int(np.where(held, -1.0, together).argmax())]
    right = np.where(held, together, 1 - together)
    wrong = right < max(0.5, right.min() + 1e-12)
    return join_label(list(np.array(capability.classes, dtype=object)[held ^ wrong]), capability.kind)


def _belief(labels: Sequence[str], together: NDArray[np.float64], capability: Capability) -> NDArray[np.float64]:
    """Compute the probability that each whole label is right, (n,)."""
    holds = _named(labels, capability)
    if capability.kind is Kind.SINGLE:
        return (together * holds).sum(axis=1)
    return np.where(holds, together, 1 - together).prod(axis=1)


def _named(labels: Sequence[str], capability: Capability) -> NDArray[np.bool_]:
    """Say which classes each label names, (n, classes)."""
    return indicators(labels, capability).astype(bool)
