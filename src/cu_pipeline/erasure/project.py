"""What an erasure may know of a project."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.addresses import hide_passwords
from cu_pipeline.core.place_cache import FOLDER
from cu_pipeline.core.stores import StoresOptions
from cu_pipeline.erasure.identities import Identities
from cu_pipeline.erasure.pseudonyms import Pseudonyms
from cu_pipeline.media.options import Limits
from cu_pipeline.tracking.catalog_files import CatalogFile
from cu_pipeline.tracking.run_lock import ERASURE

TOMBSTONES: Final = "erased.jsonl"

_APART: Final = frozenset(
    {Path(FOLDER).name, ".git", ".venv", ".hypothesis", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
)
_LOCKS: Final = frozenset({"data/.lock", "data/.lock.json", ERASURE.as_posix()})


@dataclass(frozen=True)
class Project:
    """A project as its configuration has it.

    Attributes:
        root: its folder.
        files: the datasets of its catalog that lie in files.
        prediction_logs: places of the service's log: the project's own, and one that people share.
        limits: what a media file may cost, which keys of caches depend on.
        studio: connects to Label Studio; None where the project names no server.
        boards: where clips were sent to be labelled, as the log of batches names it: server and project.
        feeds: where clips come from, as `collect.manifest` names it.
        database: address of the database that people share; None: there is none.
        stores: addresses of what is shared with other machines.
        remotes_apart: DVC's remotes that are not looked into -> which, and why.
    """

    root: Path
    files: dict[str, CatalogFile]
    prediction_logs: tuple[str, ...]
    limits: Limits
    studio: Callable[[], Any] | None = None
    feeds: tuple[str, ...] = ()
    database: str | None = None
    stores: StoresOptions = field(default_factory=StoresOptions)
    boards: tuple[str, ...] = ()
    remotes_apart: Mapping[str, str] = field(default_factory=dict)

    def place(self, dataset: str) -> Path:
        """Find where a dataset of the catalog lies."""
        return self.root / self.files[dataset].path

    def not_reached(self) -> list[str]:
        """Name what no holder looks into, for people."""
        away = sorted({file.path for file in self.files.values() if "://" in file.path})
        feeds = [feed for feed in self.feeds if feed.partition(":")[0] not in {"sample", "capture", "served"}]
        return [
            *(
                f"the feed {hide_passwords(feed)}: it is somebody's own, and is refused when it brings it"
                for feed in feeds
            ),
            *(f"{hide_passwords(place)}, a place on a server" for place in away),
            *self.servers_apart(),
            "git's history, backups and logs of servers, other clones, and what was downloaded",
        ]

    def servers_apart(self) -> list[str]:
        """Name DVC's remotes, and projects of Label Studio that clips were sent to, that this machine cannot use."""
        reached = {server.place for server in self.studio()} if self.studio else set()
        boards = sorted(set(self.boards) - reached)
        remedy = "LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY reach it"
        named = [f"Label Studio {board}, where clips were sent: {remedy}" for board in boards]
        return [*named, *self.remotes_apart.values()]

    def name(self, path: Path) -> str:
        """Name a file for people: relative to the project's folder where it lies there."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def stored(self) -> Iterator[Path]:
        """List the files that runs, services and MLflow leave in the project; DVC's stores and copies apart."""
        for folder in ("data", "mlruns", ".label-studio", "mlartifacts"):
            yield from self._below(self.root / folder)
        yield from (path for path in sorted(self.root.glob("*.jsonl")) if path.name != TOMBSTONES)
        yield from (path for path in [self.root / "dvc.lock"] if path.is_file())

    def copies(self) -> list[Path]:
        """List this machine's copies of what is on shared places, a cache."""
        return sorted(path for path in (self.root / FOLDER).glob("*/*") if path.is_file())

    def _below(self, folder: Path) -> Iterator[Path]:
        if not folder.is_dir():
            return
        for path in sorted(folder.iterdir()):
            if path.is_symlink() or path.name in _APART or path.name == ".dvc-remote":
                continue
            if path.is_dir():
                yield from self._below(path)
            elif path.is_file() and self.name(path) not in _LOCKS:
                yield path


@dataclass(frozen=True)
class Wanted:
    """What an erasure looks for.

    Attributes:
        identities: what is to be erased.
        pseudonyms: for what has to stay in a ledger.
    """

    identities: Identities
    pseudonyms: Pseudonyms = field(default_factory=Pseudonyms)


@dataclass(frozen=True)
class Place:
    """Something that holds what is to be erased.

    Attributes:
        what: its name, for people.
        count: rows, files or entries that do.
        size: bytes of what holds them.
        done: what is done to it: removed, rewritten, renamed.
        remove: does it; after a crash it may be done again.
    """

    what: str
    count: int
    size: int
    done: str
    remove: Callable[[], object]
