from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from cu_pipeline.reports.figures import confusion_figure, interval_figure, png, reliability_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODEL: Final = "this model"
COMPARED: Final = {"accuracy": "Accuracy", "macro_f1": "Macro-F1"}
"""Metrics that are drawn beside the baselines, with their words."""


def model_figures(found: Mapping[str, Any]) -> "dict[str, Figure]":
    """Draw one capability's model on the test split, from its part of the `metrics` dataset.

    Returns:
        Name -> figure: each compared metric, `confusion` and `calibration`; none without test clips.
    """
    if "test" not in found:
        return {}
    rows = [(MODEL, found["test"]), *found.get("baselines", {}).items()]
    figures = {
        metric: interval_figure(
            [(words(name), values[metric], *values["ci95"][metric]) for name, values in rows], title
        )
        for metric, title in COMPARED.items()
    }
    return figures | {
        "confusion": confusion_figure(found["confusion"], found["classes"]),
        "calibration": reliability_figure(found["reliability"], found["test"]["ece"]),
    }


def metrics_pictures(metrics: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, bytes]]:
    """Give the figures of all capabilities as `CAPABILITY/NAME.png` and the PNG's bytes."""
    for capability, found in metrics.items():
        for name, figure in model_figures(found).items():
            yield f"{capability}/{name}.png", png(figure)


def words(name: str) -> str:
    """Give a name as words.

    >>> words("tfidf_logistic")
    'tfidf logistic'
    """
    return name.replace("_", " ")
