"""Sending the queue to people, with or without a server, and taking their answers."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from cu_pipeline.core.actor import actor
from cu_pipeline.core.capability import Capability
from cu_pipeline.core.errors import StudioError
from cu_pipeline.labeling.people.batch_opening import in_batches, still_to_ask
from cu_pipeline.labeling.people.batches import Review, State, review_batches
from cu_pipeline.labeling.people.harvest import Harvest, harvest
from cu_pipeline.labeling.people.label_studio import TaskServer
from cu_pipeline.labeling.people.options import StudioOptions
from cu_pipeline.labeling.people.question_sets import Names, QuestionSheet, by_questions, sheet, title_of
from cu_pipeline.labeling.people.queue import QueueTerms
from cu_pipeline.labeling.people.served_media import ServedMedia, Unservable
from cu_pipeline.labeling.people.task_sending import Pushed, send_missing, unanswered
from cu_pipeline.labeling.people.tasks import PLAYED, Task
from cu_pipeline.labeling.people.work_log import (
    BatchDecided,
    BatchOpened,
    PersonAnswer,
    RecordLog,
)

FILE = "file"
"""The place of batches that were written to a file."""


@dataclass(frozen=True)
class TaskSync:
    """Sends clips to people, and takes their answers.

    Attributes:
        queue: tasks as the label pipeline wrote them.
        capabilities: that the queue asks about.
        terms: on which people are asked.
        studio: how clips come to Label Studio.
        media: of the feed, as people are shown them.
        batches: log of batches.
        answers: log of answers.
        now: gives the time, ISO 8601.
        erased: whether a clip was erased, by its id.
    """

    queue: Sequence[Task]
    capabilities: Mapping[str, Capability]
    terms: QueueTerms
    studio: StudioOptions
    media: ServedMedia
    batches: RecordLog[Any]
    answers: RecordLog[PersonAnswer]
    now: Callable[[], str]
    erased: Callable[[str], bool] = lambda _: False

    def reviews(self) -> list[Review]:
        """Say where each batch stands."""
        return review_batches(self.batches.read(), self.answers.read())

    def push(self, server: TaskServer) -> Pushed:
        """Send the queue to a server, and what is missing there of batches that were opened before.

        What asks the same goes into one project. Batches are written down before they are sent, and what the server has
        is not sent again, so that an interrupted push goes on where it stopped. Where media are served from another
        address than when a task was sent, it gets that one. Clips whose media cannot be shown are left out.

        Args:
            server: with the project that is asked about everything; the others are beside it.

        Returns:
            How many tasks were sent, how many got a new address, and how many were there twice.
        """
        everything = list(self.capabilities)
        queued = {
            title_of(self.studio.project, names, everything): (names, tasks)
            for names, tasks in by_questions(self._addressed(), everything).items()
        }
        begun = {
            title: (names, list[Task]()) for title, names in self._titles(server, self._unfinished_anywhere()).items()
        }
        done = [
            self._send(server if title == self.studio.project else server.titled(title), names, tasks)
            for title, (names, tasks) in (begun | queued).items()
        ]
        return Pushed(*(sum(numbers) for numbers in zip(*map(astuple, done), strict=True)))

    def fetch(self, server: TaskServer) -> list[Task]:
        """Fetch the tasks, with their annotations, of all projects that clips were sent to."""
        return [task for one in self.servers(server) for task in one.tasks()]

    def servers(self, server: TaskServer) -> list[TaskServer]:
        """Turn to all projects that clips were sent to."""
        titles = {self.studio.project: (), **self._titles(server, self.reviews())}
        return [server if title == self.studio.project else server.titled(title) for title in titles]

    def export(self) -> list[QuestionSheet]:
        """Write for files the tasks of all batches that wait for answers, the queue's included, by what they ask."""
        found: dict[Names, list[Task]] = {}
        for review in self.open_for(FILE):
            found.setdefault(tuple(review.batch.capabilities), []).extend(self._missing(review))
        left = {names: tasks for names, tasks in found.items() if tasks}
        return [sheet(names, tasks, self._known()) for names, tasks in (left or {tuple(self.capabilities): []}).items()]

    def open_for(self, place: str) -> list[Review]:
        """Open batches of the queue for a place, and give all of that place that wait for answers."""
        for names, tasks in by_questions(self._addressed(), self.capabilities).items():
            self._open(names, tasks, place)
        return self._unfinished(place)

    def not_played(self) -> dict[str, int]:
        """Count the clips of the queue that browsers cannot play, by codec."""
        codecs = Counter(task["meta"]["codec"] for task in self.queue if task["data"]["video"])
        return {codec: number for codec, number in sorted(codecs.items()) if codec not in PLAYED}

    def unservable(self) -> dict[str, Unservable]:
        """Find the clips of the queue whose media people cannot be shown, and why."""
        return self.media.unservable(task["data"]["clip_id"] for task in self.queue)

    def take(self, tasks: Iterable[Mapping[str, Any]]) -> Harvest:
        """Keep what is new in the annotations of Label Studio's tasks, but of clips that were erased."""
        tasks = [task for task in tasks if not self.erased(_clip_of(task))]
        opened = [event for event in self.batches.read() if isinstance(event, BatchOpened)]
        found = harvest(tasks, opened, self.answers.read())
        self.answers.append(found.fresh)
        return found

    def decide(self, batch: str, accepted: bool, reason: str) -> None:
        """Accept a batch or send it back, whatever its gold clips say.

        Raises:
            StudioError: there is no such batch.
        """
        known = [review.batch.batch for review in self.reviews()]
        if batch not in known:
            raise StudioError(f"there is no batch {batch!r}; batches: {', '.join(known) or 'none'}")
        decided = BatchDecided(batch=batch, time=self.now(), accepted=accepted, reason=reason, actor=actor())
        self.batches.append([decided])

    def _addressed(self) -> list[Task]:
        """Take the queue without what was asked since it was written, and what cannot be shown, with addresses."""
        unservable = self.unservable()
        waiting = still_to_ask(self.queue, self.reviews(), self.terms.options.redundancy)
        return [self._addressed_now(task) for task in waiting if task["data"]["clip_id"] not in unservable]

    def _addressed_now(self, task: Task) -> Task:
        """Give a task its media's address, as far as the clip is in the feed and its media can be shown."""
        clip = task["data"]["clip_id"]
        if clip not in self.media.stored or self.media.unservable([clip]):
            return task
        return {**task, "data": task["data"] | {"video": self.media.address(clip)}}

    def _unfinished(self, place: str) -> list[Review]:
        return [one for one in self._unfinished_anywhere() if one.batch.place == place]

    def _unfinished_anywhere(self) -> list[Review]:
        return [one for one in self.reviews() if one.state is State.OPEN]

    def _titles(self, server: TaskServer, reviews: Iterable[Review]) -> dict[str, Names]:
        """Find the titles of a server's projects that batches went to, with what is asked there."""
        everything, project = tuple(self.capabilities), self.studio.project
        address = server.place.removesuffix(project)
        found: dict[str, Names] = {}
        for review in reviews:
            title = review.batch.place.removeprefix(address)
            if title == project:
                found[title] = everything
            elif title.startswith(f"{project}: "):
                found[title] = tuple(review.batch.capabilities)
        return found

    def _known(self) -> dict[str, Capability]:
        """Collect the capabilities that people are asked about, also in batches of before."""
        earlier = {name: one for review in self.reviews() for name, one in review.batch.capabilities.items()}
        return earlier | dict(self.capabilities)

    def _send(self, server: TaskServer, names: Names, queue: Sequence[Task]) -> Pushed:
        """Send to one project what asks the same, as far as it is missing there or elsewhere than it was."""
        begun = [task for review in self._unfinished(server.place) for task in self._missing(review)]
        shown = [*queue, *begun]
        if not shown:
            return Pushed()
        local = [] if self.studio.media_url else self.media.folders(task["data"]["clip_id"] for task in shown)
        interface = sheet(names, shown, self._known()).interface
        server.prepare(interface, self.terms.options.redundancy, local)
        self._check_shown(server, shown)
        self._open(names, queue, server.place)
        return send_missing(
            server, [task for review in self._unfinished(server.place) for task in self._missing(review)]
        )

    def _check_shown(self, server: TaskServer, tasks: Iterable[Task]) -> None:
        """Refuse a server that does not show media itself where it should."""
        local = (task["data"]["video"] for task in tasks if self.media.path(task["data"]["clip_id"]))
        address = next(local, "")
        if address and not self.studio.media_url and not server.shows(address):
            raise StudioError(
                f"{server.place} does not show {address}: it must serve files below {self.media.root}. Start it again "
                f"with `make label-studio`, or with LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={self.media.root}; for a "
                "server on another machine set label.studio.media_url. Nothing was sent"
            )

    def _missing(self, review: Review) -> list[Task]:
        """List the tasks of a batch that wait for answers, as they are sent."""
        return [self._addressed_now(task) for task in unanswered(review)]

    def _open(self, names: Names, queue: Sequence[Task], place: str) -> None:
        asked = {name: self.capabilities[name] for name in names}
        self.batches.append(in_batches(queue, asked, self.terms, place, self.now(), len(self.reviews())))


def _clip_of(task: Mapping[str, Any]) -> str:
    """The clip that a task is about, in either form of Label Studio's export."""
    return str((task.get("data") or task).get("clip_id", ""))
