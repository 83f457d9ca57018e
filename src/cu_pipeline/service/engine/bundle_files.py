"""The files of bundles, which others replace while they are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cu_pipeline.models.bundle import Bundle

_FILES: Final = ("bundle.json", "model.safetensors")

Signature = tuple[tuple[int, int, int], ...]
"""What tells one state of a bundle's files from another without reading them: inode, time of change, bytes."""


@dataclass(frozen=True)
class Kept:
    """A bundle as it was read.

    Attributes:
        signature: of its files before they were read.
        bundle: what they held.
    """

    signature: Signature
    bundle: Bundle


def signatures(folder: Path) -> dict[str, Signature]:
    """Find the subfolders of a folder that say to hold a bundle, and what their files look like from outside."""
    return {config.parent.name: signature(config.parent) for config in sorted(folder.glob(f"*/{_FILES[0]}"))}


def signature(folder: Path) -> Signature:
    """What a bundle's files look like from outside; nothing where they are half there: it is told when it is read."""
    try:
        states = [(folder / name).stat() for name in _FILES]
    except OSError:
        return ()
    return tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in states)


def usable(folder: Path) -> Bundle:
    """Read a bundle, and check that this installation can answer by it.

    Raises:
        BundleError: it cannot.
    """
    bundle = Bundle.load(folder)
    bundle.load_model()
    bundle.extractors()
    return bundle


def by_capability(kept: Mapping[str, Kept]) -> dict[str, Bundle]:
    """The bundles in the order of their capabilities."""
    found = {one.bundle.capability: one.bundle for one in kept.values()}
    return {name: found[name] for name in sorted(found)}
