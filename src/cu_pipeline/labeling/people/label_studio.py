"""A Label Studio server, reached through its own SDK."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any, Final, Protocol

from cu_pipeline.core.errors import ConfigurationError, StudioAwayError, StudioError
from cu_pipeline.labeling.people.tasks import Task

_ONCE: Final = {"max_retries": 0}
"""For what makes something: a server may have done so and failed before it said so, and would make it again."""

_AWAY: Final = frozenset({502, 503, 504})
"""What is answered in the place of a server that is not there."""


class TaskServer(Protocol):
    """What is asked of a Label Studio server; all of it is about one project there."""

    @property
    def place(self) -> str:
        """The server's address and the project's title."""
        ...

    def titled(self, title: str) -> "TaskServer":
        """Turn to another project of the same server."""
        ...

    def prepare(self, interface: str, redundancy: int, folders: Sequence[Path]) -> None:
        """Make the project, or bring it up to date.

        Args:
            interface: labelling interface in XML.
            redundancy: people who answer about each task.
            folders: with media that the server shows itself.
        """
        ...

    def shows(self, address: str) -> bool:
        """Say whether the server gives a file of its own."""
        ...

    def tasks(self) -> list[Task]:
        """Fetch all tasks with their annotations, annotators by their addresses; none without the project."""
        ...

    def send(self, tasks: Sequence[Task]) -> None:
        """Add tasks."""
        ...

    def change(self, task: int, data: Mapping[str, Any]) -> None:
        """Replace what a task shows."""
        ...

    def remove(self, tasks: Sequence[int]) -> None:
        """Delete tasks with all that was said of them."""
        ...


class StudioServer:
    """A project of a Label Studio server.

    Args:
        url: of the server.
        token: of a user: a personal access token or a legacy one. It is never shown.
        project: title of the project.
    """

    def __init__(self, url: str, token: str, project: str) -> None:
        self._url = url.rstrip("/")
        self._title = project
        try:
            from label_studio_sdk import LabelStudio
        except ImportError as error:
            raise ConfigurationError(
                "kedro labels push and pull need the extra `labelstudio`: run `make label-studio`, or "
                "`pip install -c constraints.txt -e '.[labelstudio]'`. `kedro labels export` and `import` need nothing"
            ) from error
        with self._in_words():
            self._client = LabelStudio(base_url=self._url, api_key=token, timeout=120)
        self._project: int | None = None

    @property
    def place(self) -> str:
        """The server's address and the project's title."""
        return f"{self._url} {self._title}"

    def titled(self, title: str) -> "StudioServer":
        """Turn to another project of the same server."""
        other = copy(self)
        other._title, other._project = title, None
        return other

    def prepare(self, interface: str, redundancy: int, folders: Sequence[Path]) -> None:
        """Make the project, or bring it up to date."""
        with self._in_words():
            found = self._found()
            if found is None:
                made = self._client.projects.create(
                    title=self._title,
                    description="Clips from cu-pipeline",
                    label_config=interface,
                    maximum_annotations=redundancy,
                    sampling="Sequential sampling",
                    request_options=_ONCE,
                )
                self._project = made.id
            else:
                self._ask(found, interface, redundancy)
            self._show(folders)

    def shows(self, address: str) -> bool:
        """Say whether the server gives a file of its own."""
        import httpx

        with self._in_words():
            # the SDK has no call for these files, but gives what it sends along, tokens that it renews included
            headers = self._client._client_wrapper.get_headers()
            with httpx.stream("GET", self._url + address, headers=headers, timeout=120) as answer:
                return answer.is_success

    def tasks(self) -> list[Task]:
        """Fetch all tasks with their annotations, annotators by their addresses; none without the project."""
        with self._in_words():
            found = self._found()
            if found is None:
                return []
            people = {user.id: user.email for user in self._client.users.list()}
            given = [
                task.model_dump(mode="json")
                for task in self._client.tasks.list(project=found, fields="all", page_size=100)
            ]
        for task in given:
            for annotation in task["annotations"] or ():
                who = annotation["completed_by"]
                annotation["completed_by"] = people.get(who, who)
        return given

    def send(self, tasks: Sequence[Task]) -> None:
        """Add tasks."""
        with self._in_words():
            self._client.projects.import_tasks(self._found(), request=list(tasks), request_options=_ONCE)

    def change(self, task: int, data: Mapping[str, Any]) -> None:
        """Replace what a task shows."""
        with self._in_words():
            self._client.tasks.update(id=str(task), data=dict(data))

    def remove(self, tasks: Sequence[int]) -> None:
        """Delete tasks with all that was said of them."""
        with self._in_words():
            for task in tasks:
                self._client.tasks.delete(id=str(task))

    def _ask(self, project: int, interface: str, redundancy: int) -> None:
        from label_studio_sdk.core.api_error import ApiError

        try:
            self._client.projects.update(id=project, label_config=interface, maximum_annotations=redundancy)
        except ApiError as error:
            if error.status_code in _AWAY:
                raise
            raise StudioError(
                f"Label Studio at {self._url} refuses the questions for {self._title!r}: "
                f"{_meaning(error.status_code, error.body)}. Where its answers are to questions that are not asked any "
                "more, pull them, and give label.studio.project another title"
            ) from None

    def _found(self) -> int | None:
        if self._project is None:
            same = [one for one in self._client.projects.list(title=self._title) if one.title == self._title]
            if len(same) > 1:
                raise StudioError(
                    f"{self._url} has {len(same)} projects called {self._title!r}: rename all but one, or set "
                    "label.studio.project"
                )
            self._project = same[0].id if same else None
        return self._project

    def _show(self, folders: Sequence[Path]) -> None:
        """Let the server show the media in folders on its own machine."""
        from label_studio_sdk.core.api_error import ApiError

        storage = self._client.import_storage.local
        shown = {one.path for one in storage.list(project=self._project)}
        for folder in folders:
            if str(folder) in shown:
                continue
            try:
                storage.create(
                    project=self._project,
                    title=folder.name,
                    path=str(folder),
                    use_blob_urls=True,
                    request_options=_ONCE,
                )
            except ApiError as error:
                if error.status_code in _AWAY:
                    raise
                raise StudioError(
                    f"Label Studio at {self._url} may not show {folder}: {_meaning(error.status_code, error.body)}. "
                    "Start it again with `make label-studio`, which serves what `kedro labels media-root` "
                    "prints. For a server on another machine set label.studio.media_url"
                ) from None

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        import httpx
        from label_studio_sdk.core.api_error import ApiError

        try:
            yield
        except ApiError as error:
            if error.status_code in _AWAY:
                raise self._away(f"status {error.status_code}") from None
            raise StudioError(
                f"Label Studio at {self._url} refuses: {_meaning(error.status_code, error.body)}"
            ) from None
        except httpx.HTTPError as error:
            raise self._away(f"{type(error).__name__}: {error}") from None

    def _away(self, seen: str) -> StudioAwayError:
        return StudioAwayError(
            f"Label Studio at {self._url} does not answer ({seen}). Is it running? `make label-studio` starts one; "
            "LABEL_STUDIO_URL names another"
        )


def _meaning(status: int | None, body: Any) -> str:
    if status in {401, 403}:
        return f"status {status}: the token in LABEL_STUDIO_API_KEY is wrong or may not do this"
    detail = body.get("detail", body) if isinstance(body, dict) else getattr(body, "detail", None) or body
    validation = body.get("validation_errors") if isinstance(body, dict) else None
    return f"status {status}: {str(validation or detail)[:500]}"
