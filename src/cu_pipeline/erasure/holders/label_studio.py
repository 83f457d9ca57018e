"""Tasks of a Label Studio server with all that people and machines said of them, removed by its API."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from cu_pipeline.erasure.identities import Identities, strings_of
from cu_pipeline.erasure.project import Place, Project, Wanted


def find(project: Project, wanted: Wanted) -> Iterator[Place]:
    """Tasks about erased clips, in all projects that clips were sent to."""
    if project.studio is None:
        return
    for server in project.studio():
        gone = [task["id"] for task in server.tasks() if _about(task, wanted.identities)]
        if gone:
            yield Place(f"Label Studio {server.place}: tasks", len(gone), 0, "removed", partial(_remove, server, gone))


def _about(task: Any, wanted: Identities) -> bool:
    return any(wanted.touched([value], name) for name, value in strings_of(task.get("data") or {}))


def _remove(server: Any, tasks: list[int]) -> None:
    server.remove(tasks)
