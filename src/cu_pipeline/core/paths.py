import os
from pathlib import Path

ROOT_VARIABLE = "CU_PIPELINE_ROOT"


def project_root() -> Path:
    """Find the folder that paths in tables start from: `CU_PIPELINE_ROOT`, else the working folder."""
    return Path(os.environ.get(ROOT_VARIABLE) or Path.cwd())


def to_stored(path: Path) -> str:
    """Write a path as tables keep it: relative to the project's root when it lies inside.

    So the same data gives the same table in every checkout.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links into DVC's cache
    root = Path(os.path.abspath(project_root()))  # noqa: PTH100
    return absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else absolute.as_posix()


def from_stored(stored: str) -> Path:
    """Find the local file that a table's path means."""
    return project_root() / stored
