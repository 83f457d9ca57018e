from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.reports.options import ReportOptions
from cu_pipeline.reports.page import Results, render_page


def gather_data(
    clips: pd.DataFrame, annotations: pd.DataFrame, rejects: pd.DataFrame, labels: pd.DataFrame
) -> dict[str, Any]:
    """Bring together what is known of the clips."""
    return {"clips": clips, "annotations": annotations, "rejects": rejects, "labels": labels}


def gather_models(
    capabilities: dict[str, Any], predictions: pd.DataFrame, metrics: dict[str, Any], gate: dict[str, Any]
) -> dict[str, Any]:
    """Bring together what is known of the models."""
    return {"capabilities": capabilities, "predictions": predictions, "metrics": metrics, "gate": gate}


def render_report(
    data: dict[str, Any],
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
    return render_page(Results(**data, **models, delivery=delivery, drift=drift), thumbnails, options, workers)
