"""Versions of a shared folder as they were published, and their exchange for others at the same place in the order."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.shared_folder import FILES, VERSIONS, version_text
from cu_pipeline.core.shelf import Shelf
from cu_pipeline.core.shelf_manifests import Entry


@dataclass(frozen=True)
class Version:
    """A version that can be fetched.

    Attributes:
        entry: its own file.
        paths: of the files and folders that were published.
        files: path -> where its content is.
    """

    entry: Entry
    paths: tuple[str, ...]
    files: Mapping[str, Entry]


def versions(shelf: Shelf) -> Iterator[Version]:
    """List the versions from the oldest on.

    Raises:
        PlaceError: the place cannot be used.
    """
    for name, entry in sorted(shelf.entries().items()):
        content = shelf.read(name) if name.startswith(f"{VERSIONS}/") else None
        if content is not None:
            told = json.loads(content)
            files = {path: Entry(**one) for path, one in told["files"].items()}
            yield Version(entry, tuple(told["paths"]), files)


def exchange(shelf: Shelf, version: Version, changed: Mapping[str, bytes | None]) -> None:
    """Put another version in the place of one; after a crash both are there, and it may be done again.

    The contents of the former one stay, since other versions may have them too.

    Args:
        shelf: that both are on.
        version: the former one.
        changed: path -> new content; None: the file goes. All others stay.

    Raises:
        PlaceError: the place cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="cu-pipeline-") as folder:
        files, known, sent = dict(version.files), shelf.entries(), {}
        for number, (path, content) in enumerate(changed.items()):
            if content is None:
                del files[path]
                continue
            local = Path(folder, str(number))
            local.write_bytes(content)
            made = Entry.of(local, "")
            files[path] = Entry(f"{FILES}/{made.sha256}", made.size, made.sha256)
            if files[path].name not in known:
                sent[files[path].name] = (local, files[path])
        paths = [path for path in version.paths if path in files or path not in version.files]
        text = version_text(paths, files)
        about = Path(folder, "version")
        write_text(about, text)
        began = version.entry.name.rpartition("-")[0]
        entry = Entry.of(about, f"{began}-{text_sha256(text)[:16]}.json", content=text_sha256(text))
        shelf.publish([*sent.values(), (about, entry)])
    shelf.remove([version.entry.name])
