"""Media files by their content: of the feed inside the project, fetched and captured copies, samples and thumbnails."""

from collections.abc import Iterator
from functools import partial

from cu_pipeline.core.hashing import file_sha256
from cu_pipeline.erasure.project import Place, Project, Wanted

_MEDIA = frozenset({".mp4", ".mov", ".webm", ".mkv", ".avi", ".gif", ".jpg", ".jpeg", ".png", ".m4v", ".ts", ".bin"})


def find(project: Project, wanted: Wanted) -> Iterator[Place]:
    """Files whose content or name is that of a clip that is to be erased."""
    identities = wanted.identities
    for path in project.stored():
        name = project.name(path)
        named = bool(identities.touched([path.name])) or bool(identities.touched([name]))
        if named or (_may_be_media(path.suffix, path.parts) and file_sha256(path) in identities.media):
            yield Place(name, 1, path.stat().st_size, "removed", partial(path.unlink, missing_ok=True))


def _may_be_media(suffix: str, parts: tuple[str, ...]) -> bool:
    return suffix.lower() in _MEDIA or "media" in parts
