from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.compute.engine import ComputeOptions, mapper_of
from cu_pipeline.core.keys import file_key
from cu_pipeline.reports import model_card_text
from cu_pipeline.reports.cards import ReportOptions, Section
from cu_pipeline.reports.data_page import render_data_page
from cu_pipeline.reports.model_card import Data, ModelCard
from cu_pipeline.reports.page import Illustrated, illustrate


def render_data_card(
    card: dict[str, Any],
    clips: pd.DataFrame,
    duplicates: pd.DataFrame,
    thumbnails: Path,
    options: ReportOptions,
    compute: ComputeOptions,
) -> str:
    """Write the data card as a page."""
    return render_data_page(card, clips, duplicates, thumbnails, options, mapper_of(compute))


def draw_pictures(
    data: Section, labels: Section, models: Section, thumbnails: Path, options: ReportOptions, compute: ComputeOptions
) -> Illustrated:
    """Make the pictures of all clips that the report shows."""
    sections = {"data": data, "labels": labels, "models": models}
    return illustrate(sections, thumbnails, options, mapper_of(compute))


def write_model_cards(measured: dict[str, dict[str, Any]], data: Data) -> dict[str, str]:
    """Write a card about each model that was measured, file name -> text.

    Args:
        measured: capability -> what `measured_models` found of its model.
        data: what models could learn from.
    """
    from cu_pipeline.tracking import registry

    texts: dict[str, str] = {}
    for name, found in measured.items():
        known = registry.find(name, found["bundle"].version)
        card = ModelCard(name, run=(known and known.run_id) or "", data=data, **found)
        texts |= {
            f"{file_key(name)}.md": model_card_text.markdown(card),
            f"{file_key(name)}.html": model_card_text.page(card),
        }
    return texts
