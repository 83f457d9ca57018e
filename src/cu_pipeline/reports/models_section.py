"""The report's section about models: each one's numbers beside simpler models, its mistakes, and what would help."""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from cu_pipeline.core.capability import SEPARATOR
from cu_pipeline.core.keys import file_key
from cu_pipeline.core.records import Split
from cu_pipeline.evaluation.metrics import METRICS
from cu_pipeline.reports.cards import Card, Cards, ReportOptions, Section, data_uri
from cu_pipeline.reports.figures import confusion_figure, interval_figure, reliability_figure, svg
from cu_pipeline.reports.glance import baseline_words, glance
from cu_pipeline.reports.insight_figures import curve_figure, modality_figure, modality_words, risk_figure

_SLICES: Final = 12
"""Slices that are shown at once."""

Plot = dict[str, str]


def models_section(
    metrics: dict[str, Any], gate: dict[str, Any], insights: dict[str, Any], clips: pd.DataFrame, options: ReportOptions
) -> Section:
    """Describe each capability's model.

    Args:
        metrics: the `metrics` dataset; what earlier versions did not measure may be absent.
        gate: the `gate` dataset.
        insights: the `insights` dataset; a model that it lacks, or another version of it, is shown without.
        clips: the table of clips.
        options: how many mistakes are shown.
    """
    cards = Cards(clips)
    known = set(clips["clip_id"])
    shown = []
    for name, found in metrics.items():
        told = insights.get(name) or {}
        if told.get("model_version", found.get("model_version")) != found.get("model_version"):
            told = {}
        mistakes = [row for row in told.get("errors", []) if row["clip_id"] in known]
        shown.append(
            _model(name, found, gate.get(name), told)
            | {"errors": [_card(row, cards) for row in mistakes[: options.examples]]}
        )
    return cards.section(shown)


def _model(
    name: str, found: Mapping[str, Any], gate: Mapping[str, Any] | None, insight: Mapping[str, Any]
) -> dict[str, Any]:
    challenger = found.get("challenger") or {}
    rows = (found.get("slices") or {}).get("rows", [])
    return {
        "name": name,
        "multi": isinstance(found.get("confusion"), dict),
        "card": f"model_cards/{file_key(name)}.html",
        "glance": glance(name, found, gate, insight),
        "warnings": found.get("warnings", []),
        "metrics": _metrics(found),
        "test": found.get("test"),
        "cross_fitted": found.get("cross_fitted"),
        "calibration": found.get("calibration") or {},
        "compared": _compared(found),
        "slices": (found.get("slices") or {}) | {"shown": rows[:_SLICES], "rest": rows[_SLICES:]},
        "splits": [(split.value, found[split.value]) for split in Split if split.value in found],
        "per_class": found.get("per_class", {}),
        "plots": _plots(found),
        "selective": _selective(found),
        "curve": insight.get("learning_curve"),
        "why_no_curve": insight.get("why_no_curve", ""),
        "modalities": [part | {"words": modality_words(part["modality"])} for part in insight.get("modalities", [])],
        "insight_plots": _insight_plots(insight),
        "version": found.get("model_version", ""),
        "served": found.get("served"),
        "challenger": challenger.get("model_version", ""),
        "candidates": found.get("candidates", []),
        "gate": gate,
    }


def _metrics(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each metric with its value and interval on the test clips, and cross-fitted."""
    test, other = found.get("test"), found.get("cross_fitted")
    if test is None:
        return []
    return [
        {"title": one.words[0].upper() + one.words[1:], "test": _value(test, name), "cross_fitted": _value(other, name)}
        for name, one in METRICS.items()
        if name in test
    ]


def _value(block: Mapping[str, Any] | None, metric: str) -> tuple[float | None, Any]:
    """A value and its interval; None where there is none."""
    if block is None:
        return None, None
    return block.get(metric), block.get("ci95", {}).get(metric)


def _compared(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The model, a challenger that is kept back, and the baselines, the best one first."""
    if "test" not in found:
        return []
    rows = [{"name": "served model" if found.get("served") else "this model", "numbers": found["test"], "gain": None}]
    other = found.get("challenger") or {}
    if "test" in other:
        rows.append({"name": "challenger, kept back", "numbers": other["test"], "gain": None})
    baselines = (found.get("baselines") or {}).items()
    for name, values in sorted(baselines, key=lambda item: -item[1]["accuracy"]):
        gain = values.get("gain")
        rows.append(
            {"name": baseline_words(name), "numbers": values, "gain": gain, "better": values.get("shown_better")}
        )
    return rows


def _selective(found: Mapping[str, Any]) -> dict[str, float] | None:
    """The largest share of clips that is answered with half as many mistakes, in per cent; None: there is none."""
    points = found.get("selective") or []
    if not points or not points[-1]["risk"]:
        return None
    good = [point for point in points if point["risk"] <= points[-1]["risk"] / 2]
    return good[-1] | {"all": points[-1]["risk"]} if good else None


def _plots(found: Mapping[str, Any]) -> list[Plot]:
    """Each plot of the test clips with its caption, and with the words for those who cannot see it."""
    if "test" not in found:
        return []
    rows = [(row["name"], row["numbers"]) for row in _compared(found)]
    bars = [(name, one["accuracy"], *one["ci95"]["accuracy"]) for name, one in rows if one.get("ci95")]
    points = ", ".join(f"{point['accuracy']:.2f} at {point['confidence']:.2f}" for point in found["reliability"])
    values = ", ".join(f"{name} {one['accuracy']:.3f}" for name, one in rows)
    plots = [
        _plot(interval_figure(bars, "accuracy"), "Accuracy beside simpler models", f"Accuracy: {values}"),
        _plot(confusion_figure(found["confusion"], found["classes"]), "What was mistaken for what"),
        _plot(
            reliability_figure(found["reliability"], found["test"]["ece"]),
            "How often answers of each confidence are right",
            f"Share that was right by predicted probability: {points}",
        ),
    ]
    if len(found.get("selective") or []) > 1:
        plots.append(_plot(risk_figure(found["selective"]), "Mistakes if only the surest clips are answered"))
    return plots


def _insight_plots(insight: Mapping[str, Any]) -> list[Plot]:
    plots = []
    curve, parts = insight.get("learning_curve"), insight.get("modalities")
    if curve and len(curve["points"]) > 1:
        points = ", ".join(
            f"{100 * point['accuracy']:.0f} % with {point['clips']:,} clips" for point in curve["points"]
        )
        plots.append(_plot(curve_figure(curve), "Learning curve", f"Learning curve: {points}") | {"about": "curve"})
    if parts and any(part["part"] or any(part["ci95"]) for part in parts):
        told = ", ".join(f"{modality_words(part['modality'])} {100 * part['part']:.1f} points" for part in parts)
        plots.append(
            _plot(modality_figure(parts), "What each modality adds", f"Lost without each modality: {told}")
            | {"about": "modalities"}
        )
    return plots


def _plot(figure: Any, caption: str, alt: str = "") -> Plot:
    return {"caption": caption, "alt": alt or caption, "uri": data_uri(svg(figure), "image/svg+xml")}


def _card(row: Mapping[str, Any], cards: Cards) -> Card:
    said, truth = (row[key].replace(SEPARATOR, ", ") for key in ("decided", "truth"))
    sure = f"said {said}, {100 * row['probability']:.0f} % sure"
    return cards.card(row["clip_id"], sure, f"people: {truth}", good=False)
