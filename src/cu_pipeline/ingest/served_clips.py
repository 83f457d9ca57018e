"""The feed `served`: clips that the service saw and an iteration of the loop has chosen to be labelled.

They are copies of what the service kept, so that a clip with a label stays when the service lets it go.
"""

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pandas as pd

from cu_pipeline.core.atomic import atomic_path
from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.core.paths import from_stored, to_stored
from cu_pipeline.ingest.capture import capture_frame, capture_row
from cu_pipeline.ingest.capture_store import Captured
from cu_pipeline.media.options import Limits

SERVED: Final = "served"
"""What the feed is called in `collect.manifest`."""

PLACE: Final = "data/01_raw/served"
"""Where a project keeps it."""

CLIPS: Final = "clips.jsonl"
MEDIA: Final = "media"


class ServedClips:
    """A folder with copies of captured clips: media by their hashes, and a file that only grows.

    Media are there before the file names them, and a content is named once, so that a killed process may be repeated.

    Args:
        folder: made when something is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> dict[str, str]:
        """What is kept: content, as captured clips name it -> what it is called here."""
        return {str(one["content"]): str(one["row"]["clip_id"]) for one in self._lines()}

    def keep(self, chosen: Iterable[tuple[Captured, str]]) -> None:
        """Copy captured clips, unless their content is kept.

        Args:
            chosen: of each, the clip, and what it is called here.

        Raises:
            ManifestError: a file has gone from the service's store meanwhile.
            NoSpaceError: the disk is full.
        """
        known = self.names()
        fresh = [(one, name) for one, name in chosen if one.content not in known]
        append_lines(self.folder / CLIPS, [self._line(one, name) for one, name in fresh])

    def rows(self) -> list[dict[str, str]]:
        """The rows of the feed."""
        return [{**one["row"], "path": self._stored(one["file"])} for one in self._lines()]

    def _line(self, one: Captured, name: str) -> str:
        file = ""
        if one.media is not None:
            file = f"{one.media_sha256[:2]}/{one.media.name}"
            self._copy(one.media, self.folder / MEDIA / file)
        row = capture_row(one) | {"clip_id": name, "path": ""}
        return json.dumps({"content": one.content, "file": file, "row": row}, ensure_ascii=False)

    def _copy(self, media: Path, target: Path) -> None:
        if target.is_file():
            return
        try:
            with atomic_path(target) as temporary:
                shutil.copyfile(media, temporary)
        except FileNotFoundError as error:
            raise ManifestError(f"{media} has gone from what the service keeps: run `kedro iterate` again") from error

    def _stored(self, file: str) -> str:
        return to_stored(self.folder / MEDIA / file) if file else ""

    def _lines(self) -> list[dict[str, Any]]:
        try:
            return [json.loads(line) for line in read_lines(self.folder / CLIPS)]
        except ValueError as error:
            raise ManifestError(f"{self.folder / CLIPS} is damaged ({error}). Remedy: delete that line") from error


def read_served(place: str, limits: Limits) -> pd.DataFrame:  # noqa: ARG001 - Feed
    """Read what iterations have chosen.

    Args:
        place: the folder; "" for the project's own.
        limits: unused: the service has held media to its own.

    Raises:
        ManifestError: there is no such folder, or it is damaged.
    """
    folder = from_stored(os.path.expanduser(place or PLACE))  # noqa: PTH111 - also of a relative one
    if not (folder / CLIPS).is_file():
        raise ManifestError(f"served {place or PLACE!r} holds nothing. Remedy: `kedro iterate` chooses clips for it")
    return capture_frame(ServedClips(folder).rows())
