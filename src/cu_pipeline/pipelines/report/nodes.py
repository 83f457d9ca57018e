from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.reports.cards import ReportOptions, Section
from cu_pipeline.reports.data_page import render_data_page
from cu_pipeline.reports.page import Illustrated, illustrate


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


def draw_pictures(
    data: Section, labels: Section, models: Section, thumbnails: Path, options: ReportOptions, workers: int
) -> Illustrated:
    """Make the pictures of all clips that the report shows."""
    sections = {"data": data, "labels": labels, "models": models}
    return illustrate(sections, thumbnails, options, LocalMapper(workers))
