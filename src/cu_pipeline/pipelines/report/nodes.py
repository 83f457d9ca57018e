import logging
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.labeling.guarantee.outcome import Guarantee
from cu_pipeline.reports.data_card import data_card
from cu_pipeline.reports.data_page import render_data_page
from cu_pipeline.reports.labels_section import LabelEvidence
from cu_pipeline.reports.options import ReportOptions
from cu_pipeline.reports.page import Results, render_page

_log = logging.getLogger(__name__)


def describe_data(
    clips: pd.DataFrame,
    rejects: pd.DataFrame,
    duplicates: pd.DataFrame,
    leakage: dict[str, Any],
    checks: dict[str, Any],
    labels: pd.DataFrame,
    agreement: dict[str, Any],
    resolved: ResolvedCapabilities,
    seed: int,
) -> dict[str, Any]:
    """Describe the data in numbers, and warn in words."""
    card = data_card(clips, rejects, duplicates, leakage, checks, labels, agreement, resolved, seed)
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


def gather_data(
    clips: pd.DataFrame, card: dict[str, Any], annotations: pd.DataFrame, rejects: pd.DataFrame, labels: pd.DataFrame
) -> dict[str, Any]:
    """Bring together what is known of the clips."""
    return {"clips": clips, "data_card": card, "annotations": annotations, "rejects": rejects, "labels": labels}


def gather_label_evidence(
    guarantee: dict[str, Guarantee],
    label_errors: dict[str, Any],
    label_summary: dict[str, Any],
    label_queue: list[dict[str, Any]],
) -> LabelEvidence:
    """Bring together what is known of labels besides them."""
    return LabelEvidence(guarantee, label_errors, label_summary, label_queue)


def gather_models(
    capabilities: ResolvedCapabilities, predictions: pd.DataFrame, metrics: dict[str, Any], gate: dict[str, Any]
) -> dict[str, Any]:
    """Bring together what is known of the models."""
    return {"capabilities": capabilities, "predictions": predictions, "metrics": metrics, "gate": gate}


def render_report(
    data: dict[str, Any],
    label_evidence: LabelEvidence,
    models: dict[str, Any],
    delivery: dict[str, Any],
    drift: dict[str, Any],
    thumbnails: Path,
    options: ReportOptions,
    workers: int,
) -> str:
    """Write the page.

    Returns:
        The `report` dataset: one self-contained HTML page.
    """
    results = Results(**data, **models, label_evidence=label_evidence, delivery=delivery, drift=drift)
    return render_page(results, thumbnails, options, LocalMapper(workers))
