"""How much an answer about each clip that waits would teach, and the clips whose answers teach most."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.hashing import unit_interval
from cu_pipeline.core.lean import below, places, told_of
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.features.clip_features import ClipFeatures
from cu_pipeline.labeling.people.probe import probe_uncertainty
from cu_pipeline.labeling.people.selection import STRATEGIES, Pool
from cu_pipeline.labeling.people.vectors import Vectors, clip_vectors
from cu_pipeline.labeling.sources.source import TIE
from cu_pipeline.models.family import soft_targets

MOST: Final = 4000
"""Clips that are compared with one another, and labelled ones that are learned from: of more so many, drawn at random.
It bounds time and memory whatever the size of the feed: 200 clips of 4,000 take seconds."""

Questions = Mapping[str, Collection[str]]
"""Clip -> the capabilities that apply to it."""


@dataclass(frozen=True)
class Known:
    """What is known of clips when the queue is planned.

    Attributes:
        clips: the table of usable clips.
        duplicates: groups of near-duplicates.
        labels: with their probabilities.
        out: ids of the clips that people have before them.
        capabilities: that are asked about.
        questions: which of them apply to a clip.
        features: finds the stored features of some clips; None: there are none.
    """

    clips: pd.DataFrame
    duplicates: pd.DataFrame
    labels: pd.DataFrame
    out: Collection[str]
    capabilities: Mapping[str, Capability]
    questions: Questions
    features: Callable[[pd.DataFrame], ClipFeatures] | None


def most_valued(waiting: pd.DataFrame, drawn: pd.DataFrame, known: Known, number: int, strategy: str) -> pd.DataFrame:
    """Choose the clips whose answers teach most.

    Args:
        waiting: clips that may be chosen, in the order of their hashes, with their `uncertainty` by labels.
        drawn: clips that are asked about anyway.
        known: of all clips.
        number: to choose, at most.
        strategy: a name of `selection.STRATEGIES`.

    Returns:
        Rows of `waiting`, the most valuable first, with the uncertainty that counted.
    """
    candidates = waiting[waiting["uncertainty"] > 0].iloc[:MOST]
    if not number or candidates.empty:
        return candidates.iloc[:0]
    learned = _labelled(known)
    table = below([drawn, candidates, learned])
    vectors = clip_vectors(table["text"].tolist(), known.features(table) if known.features else None)
    few = len(drawn) + len(candidates)
    names = table["clip_id"].tolist()[:few]
    probed = _probed(vectors, few, learned["clip_id"].tolist(), known)
    unsure = uncertainty(known.labels, names, known.capabilities, known.questions, probed)
    pool = Pool(vectors[:few], unsure, *_units(table.iloc[:few], known), _copies(names, known.duplicates))
    chosen = STRATEGIES[strategy](pool, number, range(len(drawn)))
    return table.iloc[chosen].assign(uncertainty=unsure[chosen])


def uncertainty(
    labels: pd.DataFrame,
    clip_ids: Sequence[str],
    capabilities: Mapping[str, Capability],
    questions: Questions | None = None,
    probed: Mapping[str, NDArray[np.float64]] | None = None,
) -> NDArray[np.float64]:
    """Say how little is known of each clip, on average over the capabilities that apply to it.

    Of a clip that people labelled, and of one about which nothing could be learned from what they said of others, it
    is the entropy of the label's probabilities, over that of an even guess; in a multi-label capability the largest
    entropy of a class, in bits; 1 without a label. A certified label leaves nothing to know: 0.

    Args:
        labels: with their probabilities.
        clip_ids: n of them.
        capabilities: that are asked about.
        questions: which of them apply to a clip; None: all.
        probed: capability -> what a model that learned people's labels says instead, (n,).

    Returns:
        (n,) in [0, 1].
    """
    asked = pd.Index(clip_ids)
    total: NDArray[np.float64] = np.zeros(len(asked))
    number = [len(capabilities if questions is None else questions[clip]) or 1 for clip in clip_ids]
    for name, capability in capabilities.items():
        applies = np.array([questions is None or name in questions[clip] for clip in clip_ids], dtype=bool)
        unknown = (probed or {}).get(name, np.ones(len(asked))).copy()
        rows = labels[labels["capability"] == name]
        where = places(rows["clip_id"], asked)
        counts = where >= 0
        if probed and name in probed:
            counts &= (rows["source"].isin([AnnotatorKind.HUMAN, TIE]) | rows["certified"].astype(bool)).to_numpy()
        unknown[where[counts]] = _entropies(rows[counts], capability)
        total += unknown * applies / np.array(number)
    return total


def _labelled(known: Known) -> pd.DataFrame:
    """The clips that people labelled; of many some that are drawn at random."""
    people = known.labels.loc[known.labels["source"] == AnnotatorKind.HUMAN, "clip_id"]
    rows = np.flatnonzero(known.clips["clip_id"].isin(people))
    chances = told_of(known.clips["clip_id"].iloc[rows], lambda name: unit_interval(f"queue/{name}"), np.float64)
    return known.clips.iloc[rows[np.argsort(chances, kind="stable")[:MOST]]]


def _probed(vectors: Vectors, asked: int, learned: Sequence[str], known: Known) -> dict[str, NDArray[np.float64]]:
    """Say what people's labels tell of the first clips, by capability where they tell anything.

    Args:
        vectors: of those clips, and then of the learned ones.
        asked: how many of them are asked about.
        learned: ids of the others.
        known: of all clips.
    """
    found = {}
    place = pd.Index(learned)
    people = known.labels[(known.labels["source"] == AnnotatorKind.HUMAN) & known.labels["clip_id"].isin(place)]
    for name, capability in known.capabilities.items():
        rows = people[people["capability"] == name]
        mine = vectors[asked + places(rows["clip_id"], place)]
        unsure = probe_uncertainty(mine, soft_targets(rows, capability), vectors[:asked], capability.kind)
        if unsure is not None:
            found[name] = unsure
    return found


def _units(table: pd.DataFrame, known: Known) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the clips' units, and count the clips of each that people labelled or have before them."""
    clips, units = known.clips["clip_id"], known.clips["group"]
    labelled = known.labels.loc[known.labels["source"].isin([AnnotatorKind.HUMAN, TIE]), "clip_id"]
    asked = clips.isin(labelled) | clips.isin(list(known.out))
    names = units.where(units.fillna("") != "", clips)
    counts = names[asked].value_counts()
    mine = names.iloc[places(table["clip_id"], clips)]
    numbers = np.asarray(pd.factorize(mine)[0], dtype=np.int64)
    return numbers, np.asarray(mine.map(counts).fillna(0), dtype=np.int64)


def _copies(clip_ids: Sequence[str], duplicates: pd.DataFrame) -> NDArray[np.int64]:
    group_of = dict(zip(duplicates["clip_id"], duplicates["duplicate_group"], strict=True))
    names = np.array([group_of.get(clip, clip) for clip in clip_ids], dtype=object)
    return pd.factorize(names)[0].astype(np.int64)


def _entropies(rows: pd.DataFrame, capability: Capability) -> NDArray[np.float64]:
    given = [json.loads(text) for text in rows["probabilities"]]
    chances = np.array([[one[name] for name in capability.classes] for one in given]).reshape(
        -1, len(capability.classes)
    )
    if capability.kind is Kind.SINGLE:
        found = _surprise(chances).sum(axis=1) / np.log2(len(capability.classes))
    else:
        found = (_surprise(chances) + _surprise(1 - chances)).max(axis=1)
    return np.where(rows["certified"].to_numpy(dtype=bool), 0.0, np.clip(found, 0, 1))


def _surprise(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    return -chances * np.log2(np.where(chances > 0, chances, 1))
