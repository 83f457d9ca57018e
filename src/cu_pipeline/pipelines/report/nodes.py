import logging
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.reports.cards import ReportOptions, Section
from cu_pipeline.reports.data_card import data_card
from cu_pipeline.reports.data_page import data_section, render_data_page
from cu_pipeline.reports.page import Illustrated, illustrate, models_section

_log = logging.getLogger(__name__)


def describe_data(
    about_clips: dict[str, Any],
    about_labels: dict[str, Any],
    checks: dict[str, Any],
    agreement: dict[str, Any],
    resolved: ResolvedCapabilities,
) -> dict[str, Any]:
    """Describe the data in numbers, and warn in words."""
    card = data_card(about_clips, about_labels, checks, agreement, resolved)
    if card["warnings"]:
        _log.warning("%d things to beware of in the data: see data/08_reporting/data_card.html", len(card["warnings"]))
    return card


def render_data_card(
    card: dict[str, Any],
    clips: pd.DataFrame,
    duplicates: pd.DataFrame,
    thumbnails: Path,
    options: ReportOptions,
    workers: int,
) -> str:
    """Write the data card as a page."""
    return render_data_page(card, clips, duplicates, thumbnails, options, LocalMapper(workers))


def show_data(card: dict[str, Any], clips: pd.DataFrame, rejects: pd.DataFrame, options: ReportOptions) -> Section:
    """Sum up the data card for the report."""
    return data_section(card, clips, rejects, options.thumbnails)


def show_models(
    metrics: dict[str, Any],
    gate: dict[str, Any],
    predictions: pd.DataFrame,
    labels: pd.DataFrame,
    clips: pd.DataFrame,
    options: ReportOptions,
) -> Section:
    """Describe each model, its mistakes and the gate's decision."""
    return models_section(metrics, gate, predictions, labels, clips, options.examples)


def draw_pictures(
    data: Section, labels: Section, models: Section, thumbnails: Path, options: ReportOptions, workers: int
) -> Illustrated:
    """Make the pictures of all clips that the report shows."""
    return illustrate({"data": data, "labels": labels, "models": models}, thumbnails, options, LocalMapper(workers))
