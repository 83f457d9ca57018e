"""What `kedro gc` may know of a project, and what it calls something that may go."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pandas as pd
from pydantic import Field

from cu_pipeline.core.options import Options
from cu_pipeline.core.stores import StoresOptions
from cu_pipeline.features.table import FeatureOptions
from cu_pipeline.tracking.catalog_files import CatalogFile

DAY_S: Final = 24 * 60 * 60


class RetentionOptions(Options):
    """Parameters of `kedro gc`: what is kept of what runs leave behind.

    Attributes:
        days: nothing younger goes, but for files that a killed process left unfinished.
        runs: MLflow runs that are kept however old they are, the newest first.
        bentos: built services that are kept beside the one that was delivered last, the newest first.
        prediction_log_days: days of the prediction log that are kept.
        shared_features: whether features on a shared place go that this project does not use; else they stay, since
            another project may.
        clips_days: days after which a clip is erased, counted from when it was posted; None: never.
    """

    days: int = Field(default=30, ge=0)
    runs: int = Field(default=20, ge=1)
    bentos: int = Field(default=2, ge=0)
    prediction_log_days: int = Field(default=180, ge=1)
    shared_features: bool = False
    clips_days: int | None = Field(default=None, ge=1)


@dataclass(frozen=True)
class Removable:
    """Something that the settings let go.

    Attributes:
        what: its name, for people.
        size: bytes that its removal frees.
        remove: removes it. A crash on the way leaves what the next run can use and the next `kedro gc` finds again.
    """

    what: str
    size: int
    remove: Callable[[], object]


@dataclass(frozen=True)
class Project:
    """A project as its configuration has it.

    Attributes:
        root: its folder.
        options: what is kept.
        files: the datasets of its catalog that lie in files.
        extractors: that are in use.
        bento_store: BentoML's home.
        now: the time that ages are counted from.
        stores: the shared places.
    """

    root: Path
    options: RetentionOptions
    files: dict[str, CatalogFile]
    extractors: FeatureOptions
    bento_store: Path
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    stores: StoresOptions = field(default_factory=StoresOptions)

    def place(self, dataset: str) -> Path:
        """Find where a dataset of the catalog lies; of one on a server, where there is nothing."""
        return self.root / self.files[dataset].path

    def name(self, path: Path) -> str:
        """Name a file for people: relative to the project's folder where it lies there."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def table(self, dataset: str, columns: list[str]) -> pd.DataFrame | None:
        """Read columns of a Parquet table; None where it was not written yet."""
        path = self.place(dataset)
        return pd.read_parquet(path, columns=columns) if path.is_file() else None

    def is_old(self, path: Path) -> bool:
        """Whether a file, or all that a folder holds, was written longer ago than `days`."""
        oldest = self.now.timestamp() - self.options.days * DAY_S
        found = [inner for inner in (path, *path.rglob("*")) if not inner.is_dir()]
        return all(inner.lstat().st_mtime <= oldest for inner in found)


def size_of(paths: Iterable[Path]) -> int:
    """Count the bytes that removing files and folders frees: a file with other names elsewhere frees nothing."""
    names: Counter[tuple[int, int]] = Counter()
    size = 0
    for path in paths:
        for file in (path, *path.rglob("*")):
            about = file.lstat()
            names[about.st_dev, about.st_ino] += 1
            if not file.is_dir() and names[about.st_dev, about.st_ino] == about.st_nlink:
                size += about.st_size
    return size
