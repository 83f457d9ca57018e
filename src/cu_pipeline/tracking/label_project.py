"""A Kedro project as `kedro labels` sees it: the queue, the logs and the settings."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.errors import ConfigurationError, StudioError
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.ingest.tombstones import CLIP, read_tombstones
from cu_pipeline.labeling.people.label_studio import StudioServer, TaskServer
from cu_pipeline.labeling.people.question_sets import asked_capabilities
from cu_pipeline.labeling.people.queue import QueueTerms
from cu_pipeline.labeling.people.served_media import ServedMedia
from cu_pipeline.labeling.people.task_sync import TaskSync
from cu_pipeline.labeling.people.work_log import BatchOpened, answer_log, batch_log
from cu_pipeline.tracking.catalog_files import catalog_files
from cu_pipeline.tracking.opened_project import opened_project
from cu_pipeline.tracking.run_lock import RunLock

URL: Final = "LABEL_STUDIO_URL"
TOKEN: Final = "LABEL_STUDIO_API_KEY"  # noqa: S105 - the name of a variable
CREDENTIALS: Final = "label_studio"

_DEFAULT_URL: Final = "http://127.0.0.1:8090"


@contextmanager
def open_sync(root: Path, env: str | None, *, writes: bool = True) -> Iterator[tuple[TaskSync, dict[str, str]]]:
    """Open what a project sends to people, for writing only while no run and no other command writes to the project.

    Args:
        root: the project's folder.
        env: Kedro environment; None: the default.
        writes: whether the logs may grow; only reading disturbs no run.

    Yields:
        What sends and takes, and `url` and `token` of the server, as far as they are given.
    """
    with opened_project(root, env, RunLock(root, {"people"}) if writes else None) as context:
        yield _sync(context, root), _credentials(context)


def connect(sync: TaskSync, credentials: dict[str, str]) -> StudioServer:
    """Connect to the Label Studio server.

    Raises:
        ConfigurationError: there is no token.
    """
    url, token = credentials.get("url") or _DEFAULT_URL, credentials.get("token")
    if not token:
        raise ConfigurationError(
            f"no token for Label Studio at {url}: set {TOKEN} (and {URL} for another server), or give both in "
            f"conf/local/credentials.yml under {CREDENTIALS}: {{url: ..., token: ...}}. Label Studio shows the token "
            "under Account & Settings"
        )
    return StudioServer(url, token, sync.studio.project)


def task_servers(context: Any, root: Path) -> Callable[[], list[TaskServer]] | None:
    """Give what connects to all projects of Label Studio that clips were sent to; None where no server is known."""
    credentials = _credentials(context)
    if not credentials.get("token"):
        return None

    def connected() -> list[TaskServer]:
        sync = _sync(context, root)
        return sync.servers(connect(sync, credentials))

    return connected


def boards(context: Any, root: Path) -> tuple[str, ...]:
    """Name the projects of Label Studio that clips were sent to, by any server's address."""
    path = root / catalog_files(context.config_loader["catalog"])["people_batches"].path
    opened = (event for event in batch_log(path).read() if isinstance(event, BatchOpened))
    return tuple(sorted({event.place for event in opened if "://" in event.place}))


def _sync(context: Any, root: Path) -> TaskSync:
    files = catalog_files(context.config_loader["catalog"])
    places = {name: root / files[name].path for name in ("label_queue", "people_batches", "people_annotations")}
    resolved = root / files["capabilities_resolved"].path
    parameters = context.params
    label = parameters["label"]
    queue = _json(places["label_queue"]) or []
    asked = {task["data"]["clip_id"]: task["data"]["video"] for task in queue}
    return TaskSync(
        queue=queue,
        capabilities=asked_capabilities(
            ResolvedCapabilities.from_json(_json(resolved) or {"active": {}}), parameters["capabilities"].root
        ),
        terms=QueueTerms(label.queue, label.people.price),
        studio=label.studio,
        media=ServedMedia.of(asked | _stored_media(root / files["clips"].path), label.studio),
        batches=batch_log(places["people_batches"]),
        answers=answer_log(places["people_annotations"]),
        now=lambda: datetime.now(UTC).isoformat(timespec="seconds"),
        erased=partial(read_tombstones(root / "erased.jsonl").knows, CLIP),
    )


def _stored_media(clips: Path) -> dict[str, str]:
    import pandas as pd

    if not clips.is_file():
        return {}
    table = pd.read_parquet(clips, columns=["clip_id", "path"])
    return dict(zip(table["clip_id"], table["path"], strict=True))


def _credentials(context: Any) -> dict[str, str]:
    from kedro.config import MissingConfigException

    try:
        given = dict(context.config_loader["credentials"].get(CREDENTIALS) or {})
    except MissingConfigException:
        given = {}
    for key, variable in (("url", URL), ("token", TOKEN)):
        if value := os.environ.get(variable):
            given[key] = value
    return given


def read_tasks(path: Path) -> list[dict[str, Any]]:
    """Read Label Studio's export as JSON or JSON-MIN.

    Raises:
        StudioError: the file is something else.
    """
    try:
        tasks = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudioError(f"{path} cannot be read as JSON: {error}. Export as JSON in Label Studio") from error
    if not isinstance(tasks, list) or not all(
        isinstance(one, dict) and (isinstance(one.get("data"), dict) or "clip_id" in one) for one in tasks
    ):
        raise StudioError(
            f"{path} is not a list of tasks with a clip_id each: export as JSON or JSON-MIN in Label Studio, not in "
            "another form"
        )
    return tasks


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
