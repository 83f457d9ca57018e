"""A bundle's folder that a service reads at any moment."""

import shutil
from pathlib import Path

from cu_pipeline.core.atomic import replace_folder, temporary_beside
from cu_pipeline.models.bundle import Bundle


def replace_bundle(folder: Path, bundle: Bundle) -> None:
    """Write a bundle beside all others, where no reader looks, and let it take its place in one step.

    Where the system is not able to exchange folders, a reader sees by the hash that the bundle is half written.

    Args:
        folder: of the bundle, below the folder of all.
        bundle: that is to be there.
    """
    fresh = temporary_beside(folder.parent).joinpath(folder.name)
    try:
        bundle.save(fresh)
        if not replace_folder(fresh, folder):
            bundle.save(folder)
    finally:
        shutil.rmtree(fresh.parent, ignore_errors=True)
