"""Stored features of extractors that nobody uses, and of contents that no clip has."""

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cu_pipeline.core.atomic import remove_tree
from cu_pipeline.core.errors import BundleError, ConfigurationError, StoreError
from cu_pipeline.features.store import part_keys, shorten_part
from cu_pipeline.features.table import FeatureInput, build_all
from cu_pipeline.models.bundle import CONFIG, Bundle, inputs_of
from cu_pipeline.tracking.retention.project import Project, Removable, size_of

_logger = logging.getLogger(__name__)


def features(project: Project) -> Iterator[Removable]:
    """Features that neither the configured extractors nor a model at hand would read of the feed's clips."""
    contents, used = contents_at_hand(project), in_use(project)
    if contents is None or used is None:
        return
    for folder in sorted(path for path in project.place("features").glob("*/*") if path.is_dir()):
        name = project.name(folder)
        if (folder.parent.name, folder.name) not in used:
            if project.is_old(folder):
                yield Removable(name, size_of([folder]), partial(remove_tree, folder))
            continue
        for part in sorted(folder.glob("part-*.parquet")):
            if project.is_old(part) and (share := _unused(part, contents)):
                what = f"{share:.0%} of {project.name(part)}"
                yield Removable(what, round(share * size_of([part])), partial(shorten_part, part, contents))


def contents_at_hand(project: Project) -> set[str] | None:
    """The hashes of the clips' contents; None before there is a table of clips."""
    clips = project.table("clips", ["media_sha256", "text_sha256"])
    return None if clips is None else {*clips["media_sha256"], *clips["text_sha256"]}


def in_use(project: Project) -> set[tuple[str, str]] | None:
    """Name and fingerprint of what is in use; None where that cannot be told of a model or an extractor."""
    places = [project.place("bundles"), project.place("champions")]
    found = [config.parent for place in places for config in sorted(place.rglob(CONFIG))]
    try:
        models = [Bundle.load(folder) for folder in found]
        inputs = [FeatureInput.of(extractor) for extractor in build_all(project.extractors).values()]
    except (BundleError, ConfigurationError) as error:
        _logger.warning("all features are kept: %s", error)
        return None
    return {(one.name, one.fingerprint) for one in [*inputs, *inputs_of(models)]}


def _unused(part: Path, contents: set[str]) -> float:
    """The share of a part's features whose content no clip has; a damaged part is for the next run to tell of."""
    try:
        keys = part_keys(part)
    except StoreError as error:
        _logger.warning("%s", error)
        return 0.0
    return sum(key not in contents for key in keys) / len(keys) if keys else 0.0
