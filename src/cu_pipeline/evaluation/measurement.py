"""All numbers of one capability's model: by split, with intervals on the test split, beside baselines."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from cu_pipeline.core.capability import Capability, Kind, indicators
from cu_pipeline.core.options import Options
from cu_pipeline.core.records import AnnotatorKind, Split
from cu_pipeline.evaluation.baselines import BaselineData, baseline_probabilities, baselines_for
from cu_pipeline.evaluation.gate_options import GateOptions
from cu_pipeline.evaluation.insight_options import InsightOptions
from cu_pipeline.evaluation.metrics import (
    ANSWERS,
    METRICS,
    ScoredClips,
    confusion,
    intervals,
    measure,
    per_class,
    reliability,
)


class EvaluateOptions(Options):
    """Parameters of the evaluate pipeline.

    Attributes:
        bootstrap_draws: resamples behind each interval.
        gate_alpha: chance that any challenger which is no better than the champion is promoted on one set of test
            clips, however many are tried.
        gate: when a challenger is promoted.
        insights: what is told of models beside their numbers.
    """

    bootstrap_draws: int = Field(1000, ge=100)
    gate_alpha: float = Field(0.05, gt=0, lt=0.5)
    gate: GateOptions = Field(default_factory=GateOptions)
    insights: InsightOptions = Field(default_factory=InsightOptions)


def with_intervals(answers: ScoredClips, seed: int, draws: int) -> dict[str, Any]:
    """The number of clips, every metric, and its 95 % interval."""
    return {"n": len(answers)} | measure(answers) | {"ci95": intervals(answers, METRICS, seed, draws)}


def model_report(
    answers: Mapping[str, ScoredClips], classes: list[str], seed: int, options: EvaluateOptions
) -> dict[str, Any]:
    """Measure a model on each split that has labelled clips.

    Where it gives no answer its likeliest class counts, so that it can be held against others. What it leaves out, and
    how good the rest is, is told besides.

    Args:
        answers: split -> predictions beside the truth; `test` gets intervals.
        classes: of the capability, in order.
        seed: of the bootstrap.
        options: of the bootstrap.
    """
    report: dict[str, Any] = {"classes": classes}
    for split, given in answers.items():
        if not len(given):
            continue
        whole = given.always_answered()
        if split == "test":
            report[split] = with_intervals(whole, seed, options.bootstrap_draws)
            report["confusion"] = confusion(whole, classes)
            report["per_class"] = per_class(given, classes)
            report["reliability"] = reliability(whole)
        else:
            report[split] = {"n": len(given)} | measure(whole)
        if whole is not given:
            told: dict[str, Any] = {name: metric(given) for name, metric in ANSWERS.items()}
            spread = intervals(given, ANSWERS, seed, options.bootstrap_draws) if split == "test" else {}
            report[split]["answers"] = told | ({"ci95": spread} if spread else {})
    return report


def ask_baselines(train: BaselineData, test: BaselineData, kind: Kind) -> dict[str, ScoredClips]:
    """Train every applicable baseline and ask it about the test clips.

    Args:
        train: what baselines learn from.
        test: the test clips.
        kind: of the capability.
    """
    return {
        name: ScoredClips.decide(kind, test.truth, baseline_probabilities(baseline, train, test, kind))
        for name, baseline in baselines_for(train).items()
    }


def baseline_report(answers: Mapping[str, ScoredClips], seed: int, options: EvaluateOptions) -> dict[str, Any]:
    """Measure baselines.

    Args:
        answers: baseline -> what it says of the test clips.
        seed: of the bootstrap.
        options: of the bootstrap.
    """
    return {name: with_intervals(own, seed, options.bootstrap_draws) for name, own in answers.items()}


@dataclass(frozen=True)
class Judged:
    """The clips that people labelled for one capability.

    Attributes:
        capability: with its classes.
        clips: split -> rows of the table of clips, with what people said in `label`.
    """

    capability: Capability
    clips: dict[str, pd.DataFrame]

    @classmethod
    def of(cls, name: str, capability: Capability, clips: pd.DataFrame, labels: pd.DataFrame) -> "Judged":
        """Join clips with people's labels of the capability `name`."""
        own = labels[(labels["capability"] == name) & (labels["source"] == AnnotatorKind.HUMAN.value)]
        joined = clips.merge(own[["clip_id", "label"]], on="clip_id", validate="one_to_one")
        return cls(capability, {split.value: joined[joined["split"] == split.value] for split in Split})

    @property
    def shares(self) -> NDArray[np.float64]:
        """How common each class is among training clips, or test clips where no other has a label: (classes)."""
        known = self.clips[Split.TRAIN.value]
        known = self.clips[Split.TEST.value] if known.empty else known
        shares: NDArray[np.float64] = indicators(known["label"], self.capability).mean(axis=0)
        return shares

    def answers(self, split: str, predicted: pd.DataFrame) -> ScoredClips:
        """Hold predictions of a split's clips against what people said.

        Args:
            split: whose clips.
            predicted: rows of the table of predictions, of this capability, these clips among them.
        """
        clips = self.clips[split]
        own = predicted.set_index("clip_id").loc[clips["clip_id"]]
        given = [json.loads(text) for text in own["probabilities"]]
        classes = self.capability.classes
        probabilities = np.array([[values[name] for name in classes] for values in given], dtype=np.float64)
        return ScoredClips(
            self.capability.kind,
            indicators(clips["label"], self.capability),
            probabilities.reshape(-1, len(classes)),
            indicators(own["label"], self.capability),
        )
