from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind, join_label, split_label
from cu_pipeline.core.decision import decide
from cu_pipeline.labeling.copies import by_people, on_originals, originals
from cu_pipeline.labeling.people.crowd import people_say
from cu_pipeline.labeling.people.options import ErrorOptions, PeopleOptions

_TOKENS: Final = r"\w+|[^\w\s]"
"""A word or a sign: emoji tell much."""


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
    trained on other clips, as in confident learning, Northcutt et al. 2021). The feed's own labels are taken to be
    wrong at a small rate, since else no evidence could tell.

    Args:
        clips: the table of usable clips.
        annotations: people's.
        capabilities: the active ones.
        people: how their answers add up.
        options: of the search.
        seed: of the division into folds.

    Returns:
        Capability -> `clips` that were looked at and `suspects`, the worst first: `clip_id`, `label` as given,
        `suggested`, and `score`: the probability that the label is right.
    """
    original_of = originals(clips)
    said = by_people(on_originals(annotations, original_of))
    texts = clips.set_index("clip_id")["text"]
    found: dict[str, Any] = {}
    for name, capability in capabilities.items() if options.most else ():
        mine = said[said["capability"] == name]
        judged = pd.Index(sorted(set(mine["clip_id"])))
        given = people_say(mine, judged, capability, people).probabilities
        even = 1 / len(capability.classes) if capability.kind is Kind.SINGLE else 0.5
        doubted = (1 - options.slip) * given + options.slip * even
        told = caption_probabilities(texts.loc[judged].tolist(), given, capability, options.folds, seed)
        suspects = _suspects(judged, given, _together(doubted, told, capability.kind), capability, options.doubtful)
        found[name] = {"clips": len(judged), "suspects": suspects[: options.most]}
    return found


def caption_probabilities(
    texts: Sequence[str], given: NDArray[np.float64], capability: Capability, folds: int, seed: int
) -> NDArray[np.float64]:
    """Predict class probabilities, (n, classes), of each clip from captions and labels of other clips alone.

    Args:
        texts: n captions.
        given: (n, classes) probabilities by people.
        capability: with its classes.
        folds: of the cross-validation.
        seed: of the division.
    """
    if capability.kind is Kind.SINGLE:
        return _out_of_fold(texts, given.argmax(axis=1), len(capability.classes), folds, seed)
    each = [_out_of_fold(texts, (column > 0.5).astype(np.int64), 2, folds, seed)[:, 1] for column in given.T]
    return np.column_stack(each)


def _out_of_fold(
    texts: Sequence[str], answers: NDArray[np.int64], number: int, folds: int, seed: int
) -> NDArray[np.float64]:
    """Predict probabilities, (n, number), by Laplace's rule from the other folds where these hold but one answer."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    fold = np.random.default_rng(seed).permutation(len(texts)) % folds
    documents = np.array(texts, dtype=object)
    result = np.full((len(texts), number), 1 / number)
    for one in np.unique(fold):
        others, mine = fold != one, fold == one
        present = np.unique(answers[others])
        if len(present) < 2 or not any(str(text).strip() for text in documents[others]):
            continue
        model = make_pipeline(
            TfidfVectorizer(token_pattern=_TOKENS, sublinear_tf=True, ngram_range=(1, 2)),
            LogisticRegression(C=10, max_iter=1000),
        )
        model.fit(documents[others], answers[others])
        result[mine] = 0.02 / number
        result[np.ix_(mine, present)] += 0.98 * model.predict_proba(documents[mine])
    return result


def _together(people: NDArray[np.float64], told: NDArray[np.float64], kind: Kind) -> NDArray[np.float64]:
    joint = people * told
    against = joint.sum(axis=1, keepdims=True) if kind is Kind.SINGLE else joint + (1 - people) * (1 - told)
    return joint / against


def _suspects(
    judged: "pd.Index[str]",
    given: NDArray[np.float64],
    together: NDArray[np.float64],
    capability: Capability,
    doubtful: float,
) -> list[dict[str, Any]]:
    labels = decide(given, capability, clip_ids=list(judged)).labels
    scores = _belief(labels, together, capability)
    order = sorted(np.flatnonzero(scores < doubtful), key=lambda row: (scores[row], row))
    return [
        {
            "clip_id": judged[row],
            "label": labels[row],
            "suggested": _otherwise(labels[row], together[row], capability),
            "score": round(float(scores[row]), 6),
        }
        for row in order
    ]


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
    classes = np.array(capability.classes, dtype=object)
    holds = np.array([np.isin(classes, split_label(label, capability.kind)) for label in labels]).reshape(
        together.shape
    )
    if capability.kind is Kind.SINGLE:
        return (together * holds).sum(axis=1)
    return np.where(holds, together, 1 - together).prod(axis=1)
