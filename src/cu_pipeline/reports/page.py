"""The report: its section about models, and the whole page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.records import AnnotatorKind, Split
from cu_pipeline.reports.cards import Card, Cards, ReportOptions, Section, data_uri, pictures
from cu_pipeline.reports.figures import COMPARED, compared_models, model_figures, svg
from cu_pipeline.reports.headline import headlines
from cu_pipeline.reports.templating import environment


@dataclass(frozen=True)
class Illustrated:
    """The report's sections with their pictures.

    Attributes:
        sections: name -> what its template reads.
        pictures: media hash -> data URI.
    """

    sections: dict[str, Any]
    pictures: dict[str, str]


def illustrate(
    sections: Mapping[str, Section], thumbnails: Path, options: ReportOptions, mapper: Mapper
) -> Illustrated:
    """Make the pictures that sections show, each once.

    Args:
        sections: by name.
        thumbnails: folder that keeps pictures between runs.
        options: their size.
        mapper: makes them.
    """
    media = {sha: path for section in sections.values() for sha, path in section.media.items()}
    shown = {name: section.shown for name, section in sections.items()}
    return Illustrated(shown, pictures(media, thumbnails, options, mapper))


def render_page(
    illustrated: Illustrated, delivery: dict[str, Any], drift: dict[str, Any], options: ReportOptions
) -> str:
    """Write one self-contained page about a run: equal results give equal pages.

    Args:
        illustrated: the sections `data`, `labels` and `models`.
        delivery: the `delivery` dataset.
        drift: the `drift` dataset.
        options: the title.

    Returns:
        HTML that needs no other file and no network.
    """
    template = environment().get_template("index.html.j2")
    return template.render(
        options=options, pictures=illustrated.pictures, delivery=delivery, drift=drift, **illustrated.sections
    )


def models_section(
    metrics: dict[str, Any],
    gate: dict[str, Any],
    predictions: pd.DataFrame,
    labels: pd.DataFrame,
    clips: pd.DataFrame,
    options: ReportOptions,
) -> Section:
    """Describe each capability's model: its numbers beside baselines, its mistakes and the gate's decision.

    Args:
        metrics: the `metrics` dataset.
        gate: the `gate` dataset.
        predictions: of all clips.
        labels: of all clips; those by people are the truth.
        clips: the table of clips.
        options: how many right and wrong examples are shown.
    """
    cards = Cards(clips)
    shown = [
        _model(name, found, gate.get(name), _judged(predictions, labels, name), cards, options.examples)
        for name, found in metrics.items()
    ]
    return cards.section(shown)


def _model(
    name: str, found: dict[str, Any], gate: dict[str, Any] | None, judged: pd.DataFrame, cards: Cards, most: int
) -> dict[str, Any]:
    rows = compared_models(found)
    right, wrong = (judged[judged["right"] == outcome] for outcome in (True, False))
    return {
        "name": name,
        "multi": isinstance(found.get("confusion"), dict),
        "headline": next(iter(headlines({name: found})), None),
        "rows": rows,
        "splits": [(split.value, found[split.value]) for split in Split if split.value in found],
        "per_class": found.get("per_class", {}),
        "plots": _plots(found, rows) if rows else [],
        "version": found.get("model_version", ""),
        "served": found.get("served"),
        "challenger": found.get("challenger", {}).get("model_version", ""),
        "candidates": found.get("candidates", []),
        "gate": gate,
        "right": [_card(row, cards) for row in _surest(right, most)],
        "wrong": [_card(row, cards) for row in _surest(wrong, most)],
    }


def _plots(found: dict[str, Any], rows: list[tuple[str, dict[str, Any]]]) -> list[dict[str, str]]:
    """Each plot with its caption, and with the words for those who cannot see it."""
    points = ", ".join(f"{point['accuracy']:.2f} at {point['confidence']:.2f}" for point in found["reliability"])
    mistakes = "What was mistaken for what, test split"
    said = {
        "confusion": (mistakes, mistakes),
        "calibration": ("Calibration, test split", f"Share that was right by predicted probability: {points}"),
    }
    for metric, title in COMPARED.items():
        values = ", ".join(f"{name} {values[metric]:.3f}" for name, values in rows)
        said[metric] = (f"{title} beside the baselines", f"{title}: {values}")
    return [
        {"caption": said[name][0], "alt": said[name][1], "uri": data_uri(svg(figure), "image/svg+xml")}
        for name, figure in model_figures(found).items()
    ]


def _judged(predictions: pd.DataFrame, labels: pd.DataFrame, capability: str) -> pd.DataFrame:
    """The test predictions of a capability beside people's labels."""
    truth = labels[(labels["capability"] == capability) & (labels["source"] == AnnotatorKind.HUMAN)]
    said = predictions[(predictions["capability"] == capability) & (predictions["split"] == Split.TEST)]
    both = said.merge(truth[["clip_id", "label"]], on="clip_id", suffixes=("", "_truth"))
    return both.assign(right=both["label"] == both["label_truth"])


def _surest(judged: pd.DataFrame, most: int) -> list[dict[str, Any]]:
    order = judged.sort_values(["probability", "clip_id"], ascending=[False, True]).head(most)
    rows: list[dict[str, Any]] = order.to_dict("records")  # type: ignore[assignment]
    return rows


def _card(row: dict[str, Any], cards: Cards) -> Card:
    sure = "" if pd.isna(row["probability"]) else f" ({row['probability']:.2f})"
    notes = [f"{'✓' if row['right'] else '✗'} {row['label']}{sure}"]
    if not row["right"]:
        notes.append(f"truth: {row['label_truth']}")
    return cards.card(row["clip_id"], *notes, good=bool(row["right"]))
