"""Tasks by what they ask: Label Studio shows one interface to all tasks of a project, whatever a task's data say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.keys import registry_key
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.labeling.people.tasks import Task, labelling_interface, questions_of
from cu_pipeline.labeling.people.work_log import Draw

LONGEST_TITLE: Final = 50
"""Characters that Label Studio allows in a project's title."""

Names = tuple[str, ...]
"""Of the capabilities that a set of tasks asks about, in order."""


@dataclass(frozen=True)
class QuestionSheet:
    """Tasks that ask the same.

    Attributes:
        names: of the capabilities that they ask about.
        tasks: as Label Studio imports them.
        interface: in XML, in which people answer.
    """

    names: Names
    tasks: list[Task]
    interface: str


def asked_capabilities(resolved: ResolvedCapabilities, configured: Mapping[str, Capability]) -> dict[str, Capability]:
    """Choose what people are asked about: each capability whose classes are known, by the feed or configuration.

    One that is skipped, since its scope holds no clip, is not among them.
    """
    known = {**configured, **resolved.active}
    return {
        name: known[name]
        for name in configured
        if name not in resolved.skipped and len(known[name].classes) >= _fewest(known[name])
    }


def by_questions(queue: Iterable[Task], capabilities: Iterable[str]) -> dict[Names, list[Task]]:
    """Group tasks by the capabilities that they ask about; what would only ask what is known is left out.

    Args:
        queue: tasks with what they ask in their `meta`.
        capabilities: all that people are asked about, in order.
    """
    everything, found = list(capabilities), dict[Names, list[Task]]()
    for task in queue:
        found.setdefault(questions_of(task, everything), []).append(task)
    return {
        names: tasks
        for names, tasks in found.items()
        if names and any(task["meta"]["draw"] != Draw.GOLD for task in tasks)
    }


def sheet(names: Names, tasks: list[Task], known: Mapping[str, Capability]) -> QuestionSheet:
    """Put tasks and the interface for them together; without any video to show there is no place for one.

    Args:
        names: of the capabilities that they ask about.
        tasks: as Label Studio imports them.
        known: with these capabilities.
    """
    shows_video = not tasks or any(task["data"]["video"] for task in tasks)
    return QuestionSheet(names, tasks, labelling_interface({name: known[name] for name in names}, video=shows_video))


def title_of(project: str, names: Names, everything: Sequence[str]) -> str:
    """Title the project of a server that takes tasks: the plain title where all is asked, else with what is asked.

    >>> title_of("cu-pipeline", ("topic",), ["topic", "safety"])
    'cu-pipeline: topic'
    """
    if list(names) == list(everything):
        return project
    title = f"{project}: {', '.join(names)}"
    if len(title) <= LONGEST_TITLE:
        return title
    return f"{title[: LONGEST_TITLE - 8]} {text_sha256(title)[:7]}"


def file_of(file: Path, names: Names) -> Path:
    """Name the file of one of several sets of tasks.

    >>> file_of(Path("tasks.json"), ("topic", "safety")).name
    'tasks-topic+safety.json'
    """
    return file.with_name(f"{file.stem}-{'+'.join(map(registry_key, names))}{file.suffix}")


def _fewest(capability: Capability) -> int:
    return 2 if capability.kind is Kind.SINGLE else 1
