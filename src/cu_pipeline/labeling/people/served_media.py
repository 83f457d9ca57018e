"""Where people's browsers find the media of clips: one served folder, the folders in it, and each clip's address."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

from cu_pipeline.core.paths import from_stored, project_root
from cu_pipeline.labeling.people.options import StudioOptions

_MOST_FOLDERS: Final = 20
_NAMED: Final = 3


class Unservable(StrEnum):
    """Why people cannot be shown a clip's media."""

    OUTSIDE = "outside"
    MISSING = "missing"


@dataclass(frozen=True)
class ServedMedia:
    """The media that people are shown.

    Label Studio shows files below one folder of its machine, `LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT`, from those
    folders in it that a project names; another server of files may stand in for it.

    Attributes:
        root: the folder below which files are served.
        url: address under which it is served; "": Label Studio serves it.
        stored: clip -> path as tables keep it; "" for text only.
    """

    root: Path
    url: str
    stored: Mapping[str, str]

    @classmethod
    def of(cls, stored: Mapping[str, str], options: StudioOptions) -> Self:
        """Serve media from the folder that the options name, else from one that holds them all."""
        if options.document_root:
            root = (project_root() / options.document_root).resolve()
        else:
            root = common_root(path for path in stored.values() if path)
        return cls(root, options.media_url.rstrip("/"), stored)

    @cached_property
    def _folders(self) -> dict[str, Path]:
        return {}

    def path(self, clip: str) -> Path | None:
        """Find a clip's file, links in its folder followed; None for text only, and for clips that are not known."""
        if not (stored := self.stored.get(clip)):
            return None
        folder, name = os.path.split(stored)
        if folder not in self._folders:
            self._folders[folder] = from_stored(folder).resolve()
        return self._folders[folder] / name

    def address(self, clip: str) -> str:
        """Write the address of a clip's media; "" for text only. It must be servable."""
        if (path := self.path(clip)) is None:
            return ""
        inside = quote(path.relative_to(self.root).as_posix())
        return f"{self.url}/{inside}" if self.url else f"/data/local-files/?d={inside}"

    def unservable(self, clips: Iterable[str]) -> dict[str, Unservable]:
        """Find the clips, of those given, whose media cannot be shown, and why.

        Whether files are there is not asked where another server has them.
        """
        found = {}
        for clip in clips:
            if (path := self.path(clip)) is None:
                continue
            if not path.is_relative_to(self.root):
                found[clip] = Unservable.OUTSIDE
            elif not self.url and not path.is_file():
                found[clip] = Unservable.MISSING
        return found

    def folders(self, clips: Iterable[str]) -> list[Path]:
        """List the folders that Label Studio must be allowed to show: those with media, none inside another one."""
        folders = {path.parent for clip in clips if (path := self.path(clip)) is not None}
        outer = sorted(folder for folder in folders if folders.isdisjoint(folder.parents))
        while len(outer) > _MOST_FOLDERS:
            parents = {folder.parent for folder in outer}
            if self.root in parents:
                break
            outer = sorted(folder for folder in parents if parents.isdisjoint(folder.parents))
        return outer

    def unservable_message(self, clips: Mapping[str, Unservable]) -> str:
        """Name the clips that cannot be shown, with counts and remedies."""
        lines = []
        for reason, told in (
            (
                Unservable.OUTSIDE,
                f"lie outside {self.root}, which label.studio.document_root names: name a folder that holds all media, "
                'or "", which finds one',
            ),
            (Unservable.MISSING, "are not there: bring them back (`dvc pull`, a mount), or run `collect` again"),
        ):
            mine = sorted(str(self.path(clip)) for clip, why in clips.items() if why is reason)
            if mine:
                more = f" and {len(mine) - _NAMED} more" if len(mine) > _NAMED else ""
                named = ", ".join(mine[:_NAMED]) + more
                lines.append(f"{len(mine)} clips are left out, since their media {told}: {named}")
        return "\n".join(lines)


def common_root(stored: Iterable[str]) -> Path:
    """Find a folder that holds all media in folders of its own: the project's `data`, else the innermost one.

    Label Studio shows no file that lies in the served folder itself, but those in folders below it.

    Args:
        stored: paths as tables keep them.
    """
    data = (project_root() / "data").resolve()
    folders = {from_stored(folder).resolve() for folder in {os.path.dirname(path) for path in stored}}  # noqa: PTH120
    if all(data in folder.parents for folder in folders):
        return data
    common = Path(os.path.commonpath(folders))
    return common.parent if common in folders else common
