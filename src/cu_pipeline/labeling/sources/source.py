"""Sources of labels that are no people: how they are called, and what each says of clips."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, indicators
from cu_pipeline.core.decision import certainty, decide
from cu_pipeline.core.lean import numbered_by, places
from cu_pipeline.core.records import AnnotatorKind

TIE: Final = "tie"
"""Source of a label on which people's votes are even: models learn from its probabilities, but it is no truth."""

SOURCES: Final[dict[str, str]] = {
    AnnotatorKind.HUMAN.value: "people",
    TIE: "people whose votes are even",
    AnnotatorKind.RULE.value: "rules",
    AnnotatorKind.LLM.value: "the language model",
    AnnotatorKind.MODEL.value: "the served model",
    AnnotatorKind.ZERO_SHOT.value: "the zero-shot model",
}
"""What people call each kind of annotator."""

ONE_VOICE: Final = (AnnotatorKind.HUMAN, AnnotatorKind.RULE)
"""Kinds whose annotators together are one source; of the others each annotator is a source of its own."""

_ORDER: Final = (AnnotatorKind.RULE, AnnotatorKind.MODEL, AnnotatorKind.ZERO_SHOT, AnnotatorKind.LLM)
"""Of sources that cost the same."""

Annotator = tuple[str, str]
"""Kind and name."""


def name_sources(annotators: Iterable[Annotator]) -> dict[Annotator, str]:
    """Name the source that each annotator is or belongs to.

    An annotator that is the only one of its kind has the kind's name, so that names stay when a model gets another
    version; of several each has its own.

    >>> name_sources([("rule", "a"), ("rule", "b"), ("llm", "small"), ("llm", "large"), ("model", "champion")])[
    ...     "llm", "small"
    ... ]
    'llm:small'
    >>> name_sources([("rule", "a"), ("llm", "small")])
    {('rule', 'a'): 'rule', ('llm', 'small'): 'llm'}
    """
    given = dict.fromkeys(annotators)
    kinds = [kind for kind, _ in given]
    return {
        (kind, name): kind if kind in ONE_VOICE or kinds.count(kind) == 1 else f"{kind}:{name}" for kind, name in given
    }


def annotators_of(annotations: pd.DataFrame) -> list[Annotator]:
    """List who gave annotations, each once, in a fixed order."""
    given = annotations[["kind", "annotator"]].drop_duplicates()
    return sorted((str(kind), str(name)) for kind, name in given.itertuples(index=False))


def source_column(annotations: pd.DataFrame) -> "pd.Series[str]":
    """Name the source of each annotation; sources are told apart within a capability."""
    names = {
        (name, *one): source
        for name, mine in annotations[["capability", "kind", "annotator"]].drop_duplicates().groupby("capability")
        for one, source in name_sources(annotators_of(mine)).items()
    }
    return _named(annotations, ["capability", "kind", "annotator"], names)


def _named(annotations: pd.DataFrame, columns: list[str], names: Mapping[Any, str]) -> "pd.Series[str]":
    """Name each annotation by some of its columns."""
    _, first, place = np.unique(numbered_by(annotations, columns), return_index=True, return_inverse=True)
    found = [names[one] for one in annotations[columns].iloc[first].itertuples(index=False, name=None)]
    return pd.Series(np.array(found, dtype=object)[place], index=annotations.index, dtype=object)


def kind_of(source: str) -> str:
    """Tell the kind of annotator from a source's name.

    >>> kind_of("llm:small"), kind_of("rule")
    ('llm', 'rule')
    """
    return source.partition(":")[0]


def source_words(source: str) -> str:
    """Say what people call a source, within a sentence.

    >>> source_words("llm"), source_words("llm:small")
    ('the language model', 'the language model small')
    """
    kind, _, name = source.partition(":")
    return f"{SOURCES[kind]} {name}".rstrip()


def source_title(source: str) -> str:
    """Say what people call a source, for a table or a figure.

    >>> source_title("llm")
    'language model'
    """
    return source_words(source).removeprefix("the ")


@dataclass(frozen=True)
class Source:
    """What a source answers to n clips.

    Attributes:
        name: as `name_sources` gives it.
        probabilities: (n, classes), the mean over its annotators; zeros where none says anything.
        voters: (n,) how many annotators said something.
        answers: n labels; "" where it says nothing.
        confidence: (n,) probability that the label is right; minus infinity where it says nothing.
        price: US dollars for its opinion on one clip, on average.
        versions: of its annotators.
    """

    name: str
    probabilities: NDArray[np.float64]
    voters: NDArray[np.int64]
    answers: NDArray[np.object_]
    confidence: NDArray[np.float64]
    price: float
    versions: tuple[str, ...]

    def take(self, rows: NDArray[np.int64]) -> "Source":
        """Leave only the clips at the positions `rows`."""
        kept = (self.probabilities[rows], self.voters[rows], self.answers[rows], self.confidence[rows])
        return Source(self.name, *kept, self.price, self.versions)


def sources_say(
    annotations: pd.DataFrame,
    clip_ids: "pd.Index[str]",
    capability: Capability,
    names: Mapping[Annotator, str] | None = None,
) -> list[Source]:
    """Collect what each source says, the cheapest first.

    Args:
        annotations: of one capability, with a price each.
        clip_ids: n unique ones.
        capability: with its classes.
        names: of sources; None: as they follow from `annotations`.

    Returns:
        One for each source that says anything at all of a clip.
    """
    names = names if names is not None else name_sources(annotators_of(annotations))
    present = annotations[annotations["clip_id"].isin(clip_ids) & (annotations["kind"] != AnnotatorKind.HUMAN)]
    named = _named(present, ["kind", "annotator"], names)
    kinds = [kind.value for kind in _ORDER]
    order = sorted(named.unique(), key=lambda name: (kinds.index(kind_of(name)), name))
    return sorted(
        (_source(name, present[named == name], clip_ids, capability) for name in order), key=lambda one: one.price
    )


def most_confident(sources: Sequence[Source], clips: int) -> NDArray[np.int64]:
    """Find each clip's surest source, (clips,), the cheapest of equals; -1 where none says anything."""
    if not sources:
        return np.full(clips, -1, dtype=np.int64)
    confidence = np.column_stack([source.confidence for source in sources])
    return np.where(np.isfinite(confidence).any(axis=1), confidence.argmax(axis=1), -1)


def _source(name: str, annotations: pd.DataFrame, clip_ids: "pd.Index[str]", capability: Capability) -> Source:
    sums = np.zeros((len(clip_ids), len(capability.classes)))
    rows = places(annotations["clip_id"], clip_ids)
    codes, texts = pd.factorize(annotations["probabilities"])
    told = np.empty((len(texts), sums.shape[1]))
    for place, text in enumerate(texts):
        probabilities_of = json.loads(text)
        told[place] = [probabilities_of[one] for one in capability.classes]
    np.add.at(sums, rows, told[codes])
    voters = np.bincount(rows, minlength=len(clip_ids)).astype(np.int64)
    spoken = voters > 0
    probabilities = sums / np.maximum(voters, 1)[:, None]
    answers = np.full(len(clip_ids), "", dtype=object)
    confidence = np.full(len(clip_ids), -np.inf)
    decided = decide(probabilities[spoken], capability, clip_ids=clip_ids[spoken])
    answers[spoken], confidence[spoken] = decided.labels, decided.probability
    _as_given(answers, confidence, annotations[voters[rows] == 1], (rows[voters[rows] == 1], probabilities), capability)
    return Source(
        name=name,
        probabilities=probabilities,
        voters=voters,
        answers=answers,
        confidence=confidence,
        price=float(annotations["price"].sum()) / max(int(spoken.sum()), 1),
        versions=tuple(sorted(annotations["version"].unique())),
    )


def _as_given(
    answers: NDArray[np.object_],
    confidence: NDArray[np.float64],
    lone: pd.DataFrame,
    said: tuple[NDArray[np.int64], NDArray[np.float64]],
    capability: Capability,
) -> None:
    """Keep the label of an annotator that is alone on its clip: it may have decided by thresholds of its own.

    Args:
        answers: of the source; changed in place.
        confidence: likewise.
        lone: annotations of clips that have no other.
        said: rows of these clips, and the probabilities of all clips, (n, classes).
        capability: with its classes.
    """
    rows, probabilities = said
    if len(rows):
        answers[rows] = lone["label"].to_numpy()
        confidence[rows] = certainty(probabilities[rows], indicators(lone["label"], capability), capability.kind)
