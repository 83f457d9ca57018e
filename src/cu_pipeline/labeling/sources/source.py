import json
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.decide import decide

KINDS: Final = (AnnotatorKind.RULE, AnnotatorKind.MODEL, AnnotatorKind.LLM)
"""Sources that are no people. Annotators of one kind speak with one voice."""


@dataclass(frozen=True)
class Machine:
    """What one kind of machine answers to n clips.

    Attributes:
        kind: of its annotators.
        probabilities: (n, classes), the mean over its annotators; zeros where none says anything.
        voters: (n,) how many annotators said something.
        answers: n labels; "" where it says nothing.
        confidence: (n,) probability that the label is right; minus infinity where it says nothing.
        price: US dollars for its opinion on one clip, on average.
        versions: of its annotators.
    """

    kind: AnnotatorKind
    probabilities: NDArray[np.float64]
    voters: NDArray[np.int64]
    answers: NDArray[np.object_]
    confidence: NDArray[np.float64]
    price: float
    versions: tuple[str, ...]

    def take(self, rows: NDArray[np.int64]) -> "Machine":
        """Give what it answers to the clips at the positions `rows`."""
        kept = (self.probabilities[rows], self.voters[rows], self.answers[rows], self.confidence[rows])
        return Machine(self.kind, *kept, self.price, self.versions)


def machines_say(annotations: pd.DataFrame, clip_ids: "pd.Index[str]", capability: Capability) -> list[Machine]:
    """Collect what each kind of machine says, the cheapest first.

    Args:
        annotations: of one capability, with a price each.
        clip_ids: n unique ones.
        capability: with its classes.

    Returns:
        One for each kind that says anything at all.
    """
    present = annotations[annotations["clip_id"].isin(clip_ids)]
    found = [_machine(kind, present[present["kind"] == kind], clip_ids, capability) for kind in KINDS]
    return sorted((machine for machine in found if machine.voters.any()), key=lambda machine: machine.price)


def most_confident(machines: list[Machine], clips: int) -> NDArray[np.int64]:
    """Give each clip's surest machine, (clips,), the cheapest of equals; -1 where none says anything."""
    if not machines:
        return np.full(clips, -1, dtype=np.int64)
    confidence = np.column_stack([machine.confidence for machine in machines])
    return np.where(np.isfinite(confidence).any(axis=1), confidence.argmax(axis=1), -1)


def _machine(
    kind: AnnotatorKind, annotations: pd.DataFrame, clip_ids: "pd.Index[str]", capability: Capability
) -> Machine:
    sums = np.zeros((len(clip_ids), len(capability.classes)))
    rows = clip_ids.get_indexer(pd.Index(annotations["clip_id"]))
    codes, texts = pd.factorize(annotations["probabilities"])
    told = np.array([[json.loads(text)[one] for one in capability.classes] for text in texts]).reshape(
        -1, sums.shape[1]
    )
    np.add.at(sums, rows, told[codes])
    voters = np.bincount(rows, minlength=len(clip_ids)).astype(np.int64)
    spoken = voters > 0
    probabilities = sums / np.maximum(voters, 1)[:, None]
    answers = np.full(len(clip_ids), "", dtype=object)
    confidence = np.full(len(clip_ids), -np.inf)
    answers[spoken], confidence[spoken] = decide(probabilities[spoken], capability, clip_ids[spoken].tolist())
    return Machine(
        kind=kind,
        probabilities=probabilities,
        voters=voters,
        answers=answers,
        confidence=confidence,
        price=float(annotations["price"].sum()) / max(int(spoken.sum()), 1),
        versions=tuple(sorted(set(annotations["version"]))),
    )
