"""Bundles of models: the keys of what they learned from, their cross-fitted rows, and their reference of clips.

The weights stay, and so does the version: what was learned cannot be taken back, but by training without the clip.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from cu_pipeline.core.atomic import replace_folder, temporary_beside
from cu_pipeline.core.errors import BundleError
from cu_pipeline.erasure.identities import Identities
from cu_pipeline.erasure.project import Place, Project, Wanted
from cu_pipeline.erasure.rewriting import rewritten
from cu_pipeline.models.bundle import CONFIG, Bundle
from cu_pipeline.models.reference import Reference


def find(project: Project, wanted: Wanted) -> Iterator[Place]:
    """Folders of bundles, in the project and of MLflow's models, that tell of an erased clip."""
    for config in project.stored():
        if config.name != CONFIG:
            continue
        try:
            bundle = Bundle.load(config.parent)
        except BundleError:
            yield from _damaged(project, config.parent, wanted)
            continue
        if count := told_of(bundle, wanted.identities):
            size = sum(path.stat().st_size for path in config.parent.iterdir() if path.is_file())
            yield Place(
                f"{project.name(config.parent)} ({bundle.capability} {bundle.version})", count, size, "rewritten",
                partial(_rewrite, config.parent, wanted.identities),
            )  # fmt: skip


def _damaged(project: Project, folder: Path, wanted: Wanted) -> Iterator[Place]:
    """The files of a folder that holds no usable bundle: nobody reads it, so they go."""
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        content = path.read_bytes()
        if rewritten(content, path.suffix, wanted.identities, None).count:
            yield Place(project.name(path), 1, len(content), "removed", partial(path.unlink, missing_ok=True))


def learned(project: Project, wanted: Wanted) -> dict[tuple[str, str], set[str]]:
    """Name the models that learned from an erased clip: capability and version -> where they lie."""
    found: dict[tuple[str, str], set[str]] = {}
    for config in project.stored():
        if config.name == CONFIG:
            try:
                bundle = Bundle.load(config.parent)
            except BundleError:
                continue
            if not wanted.identities.others.isdisjoint(bundle.learned_from):
                place = project.name(config.parent.parent)
                found.setdefault((bundle.capability, bundle.version), set()).add(place)
    return found


def _keys(bundle: Bundle, wanted: Identities) -> set[str]:
    return (set(bundle.learned_from) | set(bundle.unlabelled or ())) & wanted.others


def told_of(bundle: Bundle, wanted: Identities) -> int:
    """Count the keys and the rows of the reference that tell of what is to be erased."""
    in_reference = 0
    if bundle.reference is not None:
        in_reference = rewritten(bundle.reference.content, ".parquet", wanted, None).count
    return len(_keys(bundle, wanted)) + in_reference


def without(bundle: Bundle, wanted: Identities) -> Bundle:
    """The same model under the same version, without a word about some clips."""
    gone = _keys(bundle, wanted)
    kept = [row for row, key in enumerate(bundle.learned_from) if key not in gone]
    reference = bundle.reference
    if reference is not None and (content := rewritten(reference.content, ".parquet", wanted, None).content):
        reference = Reference(content)
    return replace(
        bundle,
        known_as=bundle.version,
        learned_from=tuple(bundle.learned_from[row] for row in kept),
        unlabelled=None if bundle.unlabelled is None else tuple(key for key in bundle.unlabelled if key not in gone),
        cross_fitted=None if bundle.cross_fitted is None else bundle.cross_fitted[np.array(kept, dtype=np.int64)],
        reference=reference,
        erased=bundle.erased + len(bundle.learned_from) - len(kept),
    )


def _rewrite(folder: Path, wanted: Identities) -> None:
    """Write the folder anew beside, and let it take its place in one step, so that a crash leaves a whole bundle."""
    cleaned = without(Bundle.load(folder), wanted)
    fresh = temporary_beside(folder.parent) / folder.name
    try:
        shutil.copytree(folder, fresh)
        cleaned.save(fresh)
        if not replace_folder(fresh, folder):
            cleaned.save(folder)
    finally:
        shutil.rmtree(fresh.parent, ignore_errors=True)
