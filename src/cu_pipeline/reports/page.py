"""The report: its sections with their pictures, on one page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.reports.cards import ReportOptions, Section, pictures
from cu_pipeline.reports.drift_told import read_drift
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
        options=options,
        pictures=illustrated.pictures,
        delivery=delivery,
        told=read_drift(drift),
        **illustrated.sections,
    )
