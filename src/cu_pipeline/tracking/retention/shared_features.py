"""Features on a shared place: what killed writers left there, and what this project does not use."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from cu_pipeline.core.shelf_manifests import MANIFESTS
from cu_pipeline.features.shared_parts import SharedPart, SharedParts
from cu_pipeline.features.store import shorten_shared_part
from cu_pipeline.tracking.retention.features import contents_at_hand, in_use
from cu_pipeline.tracking.retention.project import DAY_S, Project, Removable

_MOST_MANIFESTS: Final = 64


def unpublished_parts(project: Project) -> Iterator[Removable]:
    """Files of the shared feature store that no manifest names, such as those of a killed writer.

    One that was written within a day stays however `days` is set: its writer may be about to name it. Many small
    manifests become few.
    """
    if project.stores.features is None:
        return
    parts = SharedParts(project.stores.features)
    oldest = _oldest(project, least_days=1)
    for shelf in (parts.shelf(*place) for place in parts.features()):
        listed, complete = shelf.listing(), shelf.entries()
        manifests = [name for name in listed if name.startswith(f"{MANIFESTS}/")]
        for name, about in sorted(listed.items()):
            if name not in complete and name not in manifests and about.written <= oldest:
                yield Removable(f"{shelf.address}/{name}", about.size, partial(shelf.remove, [name]))
        if len(manifests) > _MOST_MANIFESTS + len(complete) // _MOST_MANIFESTS:
            yield Removable(f"{len(manifests):,} small manifests of {shelf.address}", 0, shelf.tidy)


def shared_features(project: Project) -> Iterator[Removable]:
    """Features that this project would not read of its clips, where the settings say that no other project does."""
    address, contents, used = project.stores.features, contents_at_hand(project), in_use(project)
    if address is None or not project.options.shared_features or contents is None or used is None:
        return
    parts = SharedParts(address)
    for place in parts.features():
        wanted = contents if place in used else set()
        listed = parts.shelf(*place).listing()
        for part in parts.parts(*place):
            share = sum(key not in wanted for key in part.keys) / len(part.keys)
            if share and listed[part.entry.name].written <= _oldest(project):
                what = f"{share:.0%} of {part}"
                yield Removable(what, round(share * part.entry.size), partial(_shorten, parts, part, wanted))


def _shorten(parts: SharedParts, part: SharedPart, wanted: set[str]) -> None:
    shorten_shared_part(parts, part, wanted)
    part.shelf.tidy()


def _oldest(project: Project, least_days: int = 0) -> float:
    return project.now.timestamp() - max(project.options.days, least_days) * DAY_S
