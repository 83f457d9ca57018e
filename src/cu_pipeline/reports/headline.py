"""What is told first of a model: accuracy and macro-F1, beside the challenger's and those of the best baseline."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cu_pipeline.evaluation.metrics import answers_in_words
from cu_pipeline.evaluation.skill import learned_nothing
from cu_pipeline.reports.figures import words


@dataclass(frozen=True)
class Challenger:
    """A trained model that the gate has kept back.

    Attributes:
        version: of its bundle.
        accuracy: on the same test clips.
    """

    version: str
    accuracy: float

    def __str__(self) -> str:
        return f"challenger {self.version}: {self.accuracy:.3f}, kept back"


@dataclass(frozen=True)
class Headline:
    """A model's numbers on the test split, and those of the baseline that is right most often.

    Attributes:
        capability: that the model recognises.
        accuracy: share of the test clips that are right.
        macro_f1: mean of the classes' F1: it stays low where only the commonest class is named.
        baseline: name, accuracy and macro-F1 of the best one; None where none was measured.
        challenger: the model that was trained last, where another one is served.
        served: whether the model is served.
        remark: that it is no better than the majority; "" where it is.
        answered: in words, how many of the clips it answers, and how well; "": it answers all.
    """

    capability: str
    accuracy: float
    macro_f1: float
    baseline: tuple[str, float, float] | None
    challenger: Challenger | None = None
    served: bool = True
    remark: str = ""
    answered: str = ""

    @property
    def baseline_in_words(self) -> str:
        """The baseline's name and numbers; "" where there is none."""
        if self.baseline is None:
            return ""
        name, accuracy, macro_f1 = self.baseline
        return f"best baseline {words(name)}: accuracy {accuracy:.3f}, macro-F1 {macro_f1:.3f}"

    def __str__(self) -> str:
        own = f"test accuracy {self.accuracy:.3f}, macro-F1 {self.macro_f1:.3f}"
        own += f", {self.answered}" if self.answered else ""
        own += f": {self.remark}" if self.remark else ""
        beside = [str(self.challenger)] if self.challenger else [] if self.served else ["not served"]
        return "; ".join([own, self.baseline_in_words or "no baseline was measured", *beside])


def headlines(metrics: Mapping[str, Mapping[str, Any]]) -> list[Headline]:
    """Tell of each model that was measured what comes first, in the order of the `metrics` dataset."""
    return [
        Headline(
            name,
            found["test"]["accuracy"],
            found["test"]["macro_f1"],
            _best(found.get("baselines", {})),
            _challenger(found.get("challenger")),
            found.get("served", True),
            learned_nothing(found) or "",
            answers_in_words(found["test"]["answers"]) if "answers" in found["test"] else "",
        )
        for name, found in metrics.items()
        if "test" in found
    ]


def _best(baselines: Mapping[str, Mapping[str, Any]]) -> tuple[str, float, float] | None:
    rows = [(name, values["accuracy"], values["macro_f1"]) for name, values in baselines.items()]
    return max(rows, key=lambda row: row[1:], default=None)


def _challenger(found: Mapping[str, Any] | None) -> Challenger | None:
    if not found or "test" not in found:
        return None
    return Challenger(found["model_version"], found["test"]["accuracy"])
