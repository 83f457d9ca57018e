from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.reports.cards import Cards
from cu_pipeline.reports.data_page import data_section
from cu_pipeline.reports.labels_section import LabelEvidence, labels_section
from cu_pipeline.reports.models_section import models_section
from cu_pipeline.reports.options import ReportOptions
from cu_pipeline.reports.templating import environment


@dataclass(frozen=True)
class Results:
    """What a run leaves, as in the catalog's datasets of the same names."""

    clips: pd.DataFrame
    data_card: dict[str, Any]
    annotations: pd.DataFrame
    rejects: pd.DataFrame
    labels: pd.DataFrame
    label_evidence: LabelEvidence
    capabilities: ResolvedCapabilities
    predictions: pd.DataFrame
    metrics: dict[str, Any]
    gate: dict[str, Any]
    delivery: dict[str, Any]
    drift: dict[str, Any]


def render_page(results: Results, thumbnails: Path, options: ReportOptions, mapper: Mapper) -> str:
    """Write one self-contained page about a run: equal results give equal pages.

    Args:
        results: what the run left.
        thumbnails: folder that keeps pictures between runs.
        options: what is shown.
        mapper: makes the pictures.

    Returns:
        HTML that needs no other file and no network.
    """
    cards = Cards(results.clips)
    sections = {
        "data": data_section(results.data_card, results.clips, results.rejects, cards, options.thumbnails),
        "labels": labels_section(
            results.annotations, results.labels, results.capabilities, results.label_evidence, cards
        ),
        "models": models_section(
            results.metrics, results.gate, results.predictions, results.labels, cards, options.examples
        ),
        "delivery": results.delivery,
        "drift": results.drift,
    }
    pictures = cards.pictures(thumbnails, options, mapper)
    version = text_sha256("".join(sorted(results.clips["clip_id"] + results.clips["media_sha256"])))[:12]
    template = environment().get_template("index.html.j2")
    return template.render(options=options, pictures=pictures, data_version=version, **sections)
