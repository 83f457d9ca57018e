"""The simulated year: a service, its users, simulated people, the loop, and policies without one."""

import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.core.progress import each
from cu_pipeline.iterate.project import LEDGER, STATE
from cu_pipeline.iterate.runner import Ended
from cu_pipeline.iterate.state import StepName
from cu_pipeline.iterate.year.calendar import YEAR, Window
from cu_pipeline.iterate.year.feed import Upload, as_clips, window_uploads
from cu_pipeline.iterate.year.options import CAPABILITY, YearOptions
from cu_pipeline.iterate.year.outcome import Told, WindowOutcome, Year
from cu_pipeline.iterate.year.project import Project
from cu_pipeline.iterate.year.rivals import Rival, first_rivals, parameters_of, rival_window
from cu_pipeline.pipelines.deliver.client import classify
from cu_pipeline.pipelines.deliver.running_service import running
from cu_pipeline.sample.options import SampleOptions

if TYPE_CHECKING:
    import httpx

OURS: Final = "the loop"

_TRAFFIC: Final = "data/01_raw/traffic"
_START_S: Final = 120.0
_REQUEST_S: Final = 60.0
_AT_ONCE: Final = 2

_log = logging.getLogger(__name__)


@dataclass
class _Books:
    """What is known window by window, before dollars are counted.

    Attributes:
        windows: of the year so far; `spent` counts clips for rivals and dollars for the loop.
        asked: clips that the loop had people label.
    """

    windows: list[WindowOutcome] = field(default_factory=list)
    asked: int = 0


def simulate(source: Path, folder: Path, options: YearOptions, windows: Sequence[Window] = YEAR) -> Year:
    """Replay a year against a running service.

    Args:
        source: the project whose code and configuration are tried.
        folder: an empty folder for the simulation's project.
        options: of the simulation.
        windows: of the year.

    Raises:
        ConfigurationError: the folder is not empty, or the source is no checkout.
        CommandError: a command of the project failed.
        DeliveryError: the service does not start, or fails.
    """
    import httpx

    began = time.monotonic()
    project = Project.create(source, folder, options.parameters())
    _log.info("the first lifecycle, in %s", folder)
    project.kedro("run")
    books = _Books()
    with _root(folder):
        rivals = first_rivals(project, options)
        with (
            running(folder, project.variables(), output=folder / "service.log", timeout_s=_START_S) as service,
            httpx.Client(base_url=service.url, timeout=_REQUEST_S, trust_env=False) as client,
        ):
            _replay(windows, project, rivals, client, options, books)
    price = books.windows[-1].spent[OURS] / books.asked if books.asked else _price(project)
    return Year(OURS, tuple(_in_dollars(one, price) for one in books.windows), time.monotonic() - began)


def _replay(
    windows: Sequence[Window],
    project: Project,
    rivals: list[Rival],
    client: "httpx.Client",
    options: YearOptions,
    books: _Books,
) -> None:
    """Let windows pass: users upload, then the loop looks.

    Beside it the other policies decide, and then the next window is rendered in the place of this one's clips.
    """
    made = partial(_uploads, project.root, options)
    with ThreadPoolExecutor(1) as beside:
        coming = beside.submit(made, 0, windows[0])
        for place, window in each(enumerate(windows), "windows of the year", len(windows)):
            uploads = coming.result()
            answered = _served(client, uploads)
            clips = as_clips(uploads, project.root)
            others = [beside.submit(rival_window, rival, clips, window, options) for rival in rivals]
            if place + 1 < len(windows):
                coming = beside.submit(made, place + 1, windows[place + 1])
            _turn(project)
            accuracy = {OURS: _right(answered, uploads)}
            accuracy |= {rival.policy.name: found.result() for rival, found in zip(rivals, others, strict=True)}
            books.windows.append(_outcome(window, len(uploads), accuracy, project, rivals, books))
            _log.info("%s", _line(books.windows[-1]))


def _uploads(folder: Path, options: YearOptions, place: int, window: Window) -> list[Upload]:
    """What users upload in the window at a place of the year, rendered."""
    first = SampleOptions(clips=options.first_clips, creators=options.creators, seed=options.seed)
    posted = first.model_copy(update={"clips": options.first_clips + place * options.clips})
    return window_uploads(folder / _TRAFFIC, window, posted, options.clips, LocalMapper())


def _right(answered: Sequence[str], uploads: Sequence[Upload]) -> float:
    """The share of right answers."""
    return float(np.mean([label == upload.topic for label, upload in zip(answered, uploads, strict=True)]))


def _outcome(
    window: Window, uploads: int, accuracy: dict[str, float], project: Project, rivals: list[Rival], books: _Books
) -> WindowOutcome:
    """What came of a window, when the loop and the other policies are through."""
    told, lines = _told(project)
    books.asked = sum(int(line["cost"].get("asked", 0)) for line in lines)
    spent = sum(float(line["cost"].get("committed_usd", 0.0)) for line in lines)
    return WindowOutcome(
        window.number,
        window.title,
        window.cause,
        uploads,
        accuracy,
        {OURS: spent} | {rival.policy.name: float(rival.labelled) for rival in rivals},
        told,
    )


def _served(client: "httpx.Client", uploads: Sequence[Upload]) -> list[str]:
    """What the service says of each upload; "" where it refuses it."""

    def ask(upload: Upload) -> str:
        told = {"clip_id": upload.clip_id, "creator": upload.creator}
        answer = classify(client, upload.path, upload.text, told)
        return "" if answer is None else str(answer["capabilities"][CAPABILITY]["label"])

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(ask, uploads))


def _turn(project: Project) -> None:
    """Let the loop turn once; where it asks whether answers are good enough, the simulated owner takes them."""
    while project.kedro("iterate", allowed=(Ended.DONE, Ended.WAITING)) == Ended.WAITING:
        state = json.loads((project.root / STATE).read_text("utf-8"))
        asked = next(step["facts"] for step in state["steps"] if step["name"] == StepName.ASK_PEOPLE)
        for batch in asked["batches"]:
            project.kedro("labels", "accept", batch, "--reason", "the simulated owner takes them", allowed=(0, 1))


def _told(project: Project) -> tuple[Told, list[dict[str, Any]]]:
    """What the loop said and did last, and its ledger of iterations."""
    reports = project.root / "data" / "08_reporting"
    drift = json.loads((reports / "drift.json").read_text("utf-8"))
    lines: list[dict[str, Any]] = [json.loads(line) for line in (project.root / LEDGER).read_text("utf-8").splitlines()]
    quality = drift["quality"].get(CAPABILITY)
    told = Told(
        decision=drift["decision"],
        causes=tuple(cause["kind"] for cause in drift["causes"]),
        summary=drift["summary"],
        action=lines[-1]["outcome"],
        version=str(lines[-1]["effect"].get(CAPABILITY, {}).get("serves") or ""),
        estimate=quality and (quality["accuracy"], quality["low"], quality["high"]),
        trusted=bool(quality and quality["trusted"]),
    )
    return told, lines


def _price(project: Project) -> float:
    """US dollars for one label by one person."""
    return float(parameters_of(project.root / "conf" / "base", "label")["people"]["price"])


def _in_dollars(window: WindowOutcome, price: float) -> WindowOutcome:
    """Count what rivals bought in dollars, at what the loop pays for a clip."""
    spent = {name: value if name == OURS else value * price for name, value in window.spent.items()}
    return replace(window, spent=spent)


def _line(window: WindowOutcome) -> str:
    right = ", ".join(f"{name} {share:.0%}" for name, share in window.accuracy.items())
    return f"window {window.number}, {window.title}: {window.told.decision}, {window.told.action}; right: {right}"


@contextmanager
def _root(folder: Path) -> Iterator[None]:
    """Let stored paths start from a folder while the block runs."""
    before = os.environ.get(ROOT_VARIABLE)
    os.environ[ROOT_VARIABLE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[ROOT_VARIABLE]
        else:
            os.environ[ROOT_VARIABLE] = before
