"""The clips that people labelled, and what models say of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, indicators, unknown_classes
from cu_pipeline.core.records import AnnotatorKind, Split
from cu_pipeline.evaluation.metrics import ScoredClips

SOURCE: Final = "label_source"
"""The column of labelled clips that says how they came to people."""

_DRAWS: Final = {"": "given by the feed", "random": "drawn at random", "value": "chosen by value"}
"""What a draw means, the one that counts where a clip came in several ways last."""


@dataclass(frozen=True)
class Judged:
    """The clips that people labelled for one capability.

    People may name classes that a model does not know, since they were added after it was trained. It is wrong on their
    clips, and gives these classes a probability of 0.

    Attributes:
        capability: with its classes: those of the model, and then the others that people named, sorted.
        clips: split -> rows of the table of clips, with what people said in `label`.
    """

    capability: Capability
    clips: dict[str, pd.DataFrame]

    @classmethod
    def of(
        cls,
        name: str,
        capability: Capability,
        clips: pd.DataFrame,
        labels: pd.DataFrame,
        annotations: pd.DataFrame | None = None,
    ) -> "Judged":
        """Join clips with people's labels of the capability `name`.

        Args:
            name: of the capability.
            capability: with the classes of the model.
            clips: the table of clips.
            labels: of all sources and capabilities.
            annotations: likewise; they tell in the column `SOURCE` how clips came to people.
        """
        own = labels[(labels["capability"] == name) & (labels["source"] == AnnotatorKind.HUMAN.value)]
        joined = clips.merge(own[["clip_id", "label"]], on="clip_id", validate="one_to_one")
        if annotations is not None:
            joined[SOURCE] = joined["clip_id"].map(_sources(annotations, name)).fillna("")
        named = capability.classes + unknown_classes(joined["label"], capability)
        whole = capability.model_copy(update={"classes": named})
        return cls(whole, {split.value: joined[joined["split"] == split.value] for split in Split})

    @property
    def shares(self) -> NDArray[np.float64]:
        """How common each class is among training clips, or test clips where no other has a label: (classes).

        All are 0 where none has.
        """
        known = self.clips[Split.TRAIN.value]
        known = self.clips[Split.TEST.value] if known.empty else known
        counts: NDArray[np.int64] = indicators(known["label"], self.capability).sum(axis=0)
        return counts / max(len(known), 1)

    def answers(self, split: str, predicted: pd.DataFrame) -> ScoredClips:
        """Hold predictions of a split's clips against what people said.

        Args:
            split: whose clips.
            predicted: rows of the table of predictions, of this capability, these clips among them; by a model of
                these classes or of some of them.
        """
        return self.compare(self.clips[split], predicted).answers

    def compare(self, clips: pd.DataFrame, predicted: pd.DataFrame) -> "Answered":
        """Hold predictions of some of the labelled clips against what people said; for `predicted` see `answers`."""
        places = pd.Index(predicted["clip_id"]).get_indexer(clips["clip_id"])
        if (places < 0).any():
            raise KeyError(f"nothing is predicted of {clips['clip_id'].to_numpy()[places < 0][:3].tolist()}")
        scored = ScoredClips(
            self.capability.kind,
            indicators(clips["label"], self.capability),
            _parsed(predicted["probabilities"].to_numpy()[places], self.capability.classes),
            indicators(predicted["label"].to_numpy()[places], self.capability),
        )
        return Answered(scored, clips)


def _parsed(texts: NDArray[np.object_], classes: Sequence[str]) -> NDArray[np.float64]:
    """Read probabilities of clips, of which none is held as a dictionary longer than needed: (n, classes)."""
    found = np.empty((len(texts), len(classes)))
    for row, text in enumerate(texts):
        given = json.loads(text)
        found[row] = [given.get(name, 0.0) for name in classes]
    return found


def of_classes(values: NDArray[Any], own: Sequence[str], classes: Sequence[str]) -> NDArray[Any]:
    """Bring columns into the order of other classes, those that are not known among them as zeros.

    Args:
        values: (n, own).
        own: names of the columns, each one of `classes`.
        classes: names of the columns that are wanted.

    Returns:
        (n, classes).
    """
    spread = np.zeros((len(values), len(classes)), dtype=values.dtype)
    spread[:, [list(classes).index(name) for name in own]] = values
    return spread


def _sources(annotations: pd.DataFrame, capability: str) -> "pd.Series[str]":
    """How each clip came to people: clip -> words."""
    own = annotations[(annotations["capability"] == capability) & (annotations["kind"] == AnnotatorKind.HUMAN.value)]
    rank = own["draw"].map(list(_DRAWS).index)
    last = own.assign(rank=rank).sort_values("rank", kind="stable").drop_duplicates("clip_id", keep="last")
    return last.set_index("clip_id")["draw"].map(_DRAWS)


@dataclass(frozen=True)
class Answered:
    """What a model says of labelled clips.

    Attributes:
        answers: of n clips, beside the truth.
        clips: n rows of the table of clips.
    """

    answers: ScoredClips
    clips: pd.DataFrame

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def units(self) -> NDArray[np.object_]:
        """What ties clips together: the very texts of the table, (n)."""
        units: NDArray[np.object_] = self.clips["group"].to_numpy(dtype=object)
        return units

    @property
    def decided(self) -> ScoredClips:
        """The answers, with the likeliest class for one where there is none."""
        return self.answers.always_answered()

    def joined(self, other: "Answered") -> "Answered":
        """These clips and then the others."""
        return Answered(self.answers.joined(other.answers), pd.concat([self.clips, other.clips], ignore_index=True))


@dataclass(frozen=True)
class ModelAnswers:
    """What one model says of the clips that people labelled for its capability.

    Attributes:
        version: of its bundle.
        classes: of the capability, in order: what people named, and the model may not know.
        unknown: of these, the classes that the model does not know.
        shares: (classes): how common each class is among training clips.
        splits: split -> its clips.
        cross_fitted: the training and validation clips that models were asked about which had not seen their units;
            None: there are none.
        uncalibrated: what it would say of the test clips without its temperature.
        set_threshold: probability that a class reaches to be in a clip's prediction set; None: it gives no sets.
    """

    version: str
    classes: tuple[str, ...]
    shares: NDArray[np.float64]
    splits: dict[str, Answered]
    cross_fitted: Answered | None = None
    uncalibrated: ScoredClips | None = None
    set_threshold: float | None = None
    unknown: tuple[str, ...] = ()

    @property
    def unseen(self) -> Answered | None:
        """All clips that the model, or those that speak for it, had not seen; None: there are none."""
        parts = [one for one in (self.splits.get(Split.TEST.value), self.cross_fitted) if one is not None and len(one)]
        return reduce(Answered.joined, parts) if parts else None
