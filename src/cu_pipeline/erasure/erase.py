"""The whole way of an erasure: look, write down, remove, look again."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from cu_pipeline.core.errors import StoreError
from cu_pipeline.erasure import runs
from cu_pipeline.erasure.holders import bundles
from cu_pipeline.erasure.holders.table import HOLDERS
from cu_pipeline.erasure.journal import Journal
from cu_pipeline.erasure.project import TOMBSTONES, Place, Project, Wanted
from cu_pipeline.erasure.shared import demand_reach
from cu_pipeline.ingest.tombstones import bury


@dataclass(frozen=True)
class Held:
    """A place, and what kind of holder it is.

    Attributes:
        holder: a key of `HOLDERS`.
        place: that holds something.
    """

    holder: str
    place: Place


def survey(project: Project, wanted: Wanted) -> Iterator[Held]:
    """Look through all holders."""
    for holder, find in HOLDERS.items():
        for place in find(project, wanted):
            yield Held(holder, place)


def models_in_words(project: Project, wanted: Wanted) -> list[str]:
    """Name the models that learned from what is to be erased: capability, version, champion or not."""
    return [
        f"{capability} {version}{' (champion)' if any(place.endswith('champions') for place in places) else ''}"
        for (capability, version), places in sorted(bundles.learned(project, wanted).items())
    ]


def prepare(project: Project, wanted: Wanted, *, reason: str, retrain: bool) -> Journal:
    """Write down what is to be done: from here on it is completed, now or by the next call.

    Raises:
        StoreError: a shared place cannot be reached; nothing is begun.
    """
    demand_reach(project)
    journal = Journal(
        wanted,
        reason,
        models=models_in_words(project, wanted),
        unrepeatable=runs.unrepeatable(project, wanted),
        retrain=retrain,
    )
    journal.write(project.root)
    return journal


def complete(project: Project, journal: Journal) -> Iterator[Held]:
    """Do what a journal says, and yield what was done; it may have been begun before.

    The tombstone comes first, so that no feed brings back what is on its way out. Each thing is removed at once or is
    replaced atomically, and what is found again is removed again.

    Raises:
        StoreError: something is still there afterwards; the journal stays.
    """
    wanted = journal.wanted
    now = datetime.now(UTC).isoformat(timespec="seconds")
    identities = wanted.identities
    bury(
        project.root / TOMBSTONES, clips=identities.clips, creators=identities.creators,
        contents=identities.media | identities.alone,
        at=now, reason=journal.reason,
    )  # fmt: skip
    for held in survey(project, wanted):
        if note := runs.artifact_of(held.place):
            journal.runs.setdefault(note[0], []).append(f"{note[1]} {held.place.done}")
            journal.write(project.root)
        held.place.remove()
        yield held
    runs.tag(project, journal, now)
    left = [held.place.what for held in survey(project, wanted)]
    if left:
        raise StoreError(
            f"{len(left)} places still hold something, such as {left[0]}: see that nothing else writes to the project, "
            "and run `kedro erase --resume`"
        )
    journal.close(project.root)
