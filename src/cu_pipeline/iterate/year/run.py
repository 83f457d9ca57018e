"""The simulated year: a service, its users, simulated people, the loop, and policies without one."""

import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import yaml
from pydantic import Field

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.options import Options, Share
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.core.progress import each
from cu_pipeline.datasets.bundles import BundlesDataset
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.iterate.project import LEDGER, STATE
from cu_pipeline.iterate.runner import Ended
from cu_pipeline.iterate.state import StepName
from cu_pipeline.iterate.year.calendar import YEAR, Window
from cu_pipeline.iterate.year.feed import Upload, as_clips, window_uploads
from cu_pipeline.iterate.year.learner import Learner, Workshop
from cu_pipeline.iterate.year.outcome import Told, WindowOutcome, Year
from cu_pipeline.iterate.year.policies import RIVALS, Policy
from cu_pipeline.iterate.year.project import Project
from cu_pipeline.media.options import Limits
from cu_pipeline.models.families import TrainOptions
from cu_pipeline.models.training import training_data
from cu_pipeline.pipelines.deliver.client import classify
from cu_pipeline.pipelines.deliver.running_service import running
from cu_pipeline.sample.options import SampleOptions
from cu_pipeline.sample.world import NEW_TOPIC, TOPICS

if TYPE_CHECKING:
    import httpx

OURS: Final = "the loop"
CAPABILITY: Final = "topic"

_TRAFFIC: Final = "data/01_raw/traffic"
_START_S: Final = 120.0
_REQUEST_S: Final = 60.0
_AT_ONCE: Final = 2
_TEST_SHARE: Final = 0.375
"""Of the loop's labels: about as many test clips as a window has."""

_AUDIT_ALPHA: Final = 0.1
"""Chance that a fall is passed over: a training costs little more than its audit here, and a year is short."""

_NOT_WORSE: Final = 0.05
"""Margin within which a challenger of lower log-loss is promoted, too: so few test clips show no small gain."""

_LOOK_DAYS: Final = 1e-4
"""A window of the year passes in a minute or two: so long are a monitor's day and horizon here, about nine seconds."""

_log = logging.getLogger(__name__)


class YearOptions(Options):
    """The simulation.

    Attributes:
        first_clips: of the feed that the first models learn from.
        clips: that are posted in a window.
        creators: who post them, in all of the year.
        labels: clips that are labelled, at most, each time that models are fitted again, those of an audit before it
            included.
        gate_alpha: chance that the gate takes a challenger for better which is not. A year of small windows leaves a
            few dozen test clips to each decision; with few, little is shown at 5 %.
        error_rate: share of people's answers that are wrong.
        budget_usd: that the loop may spend in all of the year.
        seed: of the world and of every random choice.
    """

    first_clips: int = Field(default=400, ge=60)
    clips: int = Field(default=120, ge=30)
    creators: int = Field(default=600, ge=20)
    labels: int = Field(default=80, ge=20)
    error_rate: Share = 0.05
    gate_alpha: float = Field(default=0.2, gt=0, lt=1)
    budget_usd: float = Field(default=30.0, ge=0)
    seed: int = Field(default=17, ge=0)

    def parameters(self) -> dict[str, Any]:
        """What differs in the simulation's project."""
        return {
            "seed": self.seed,
            "capabilities": {CAPABILITY: {"classes": [*TOPICS, NEW_TOPIC]}},
            "collect": {
                "sample": {"clips": self.first_clips, "creators": self.creators, "seed": self.seed},
                "split": {"train": 0.7, "validation": 0.15, "test": 0.15},
            },
            "evaluate": {"gate_alpha": self.gate_alpha, "gate": {"non_inferiority_margin": _NOT_WORSE}},
            "label": {"llm": {"enabled": False}, "queue": {"budget_usd": 1e4}},
            "train": {"family": "linear"},
            "monitor": {
                "windows": {"clips": self.clips},
                "looks": {"horizon_days": _LOOK_DAYS, "every_days": _LOOK_DAYS},
            },
            "iterate": {
                "people": "simulated",
                "simulated": {"error_rate": self.error_rate},
                "choose": {"max_clips": self.labels, "latest": self.clips, "test_share": _TEST_SHARE},
                "audit": {"alpha": _AUDIT_ALPHA},
                "budget": {"iteration_usd": 1e3, "month_usd": self.budget_usd},
                "guards": {"cooldown_h": 0},
            },
        }


@dataclass
class _Rival:
    """A policy without a loop, and how it stands.

    Attributes:
        policy: that decides.
        learner: its model.
        seen: what arrived when the model was fitted last.
        labelled: clips that were bought labels for.
    """

    policy: Policy
    learner: Learner
    seen: pd.DataFrame
    labelled: int = 0


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
        rivals = _rivals(project, options)
        with (
            running(folder, project.variables(), output=folder / "service.log", timeout_s=_START_S) as service,
            httpx.Client(base_url=service.url, timeout=_REQUEST_S, trust_env=False) as client,
        ):
            posted = _first(options)
            for window in each(iter(windows), "windows of the year", len(windows)):
                uploads = window_uploads(folder / _TRAFFIC, window, posted, options.clips, LocalMapper())
                posted = posted.model_copy(update={"clips": posted.clips + options.clips})
                books.windows.append(_pass(window, uploads, project, rivals, client, options, books))
                _log.info("%s", _line(books.windows[-1]))
    price = books.windows[-1].spent[OURS] / books.asked if books.asked else _price(project)
    return Year(OURS, tuple(_in_dollars(one, price) for one in books.windows), time.monotonic() - began)


def _pass(
    window: Window,
    uploads: list[Upload],
    project: Project,
    rivals: list[_Rival],
    client: "httpx.Client",
    options: YearOptions,
    books: _Books,
) -> WindowOutcome:
    """Let a window pass: users upload, then the loop looks, and the other policies decide."""
    clips = as_clips(uploads, project.root)
    answered = _served(client, uploads)
    accuracy = {OURS: float(np.mean([label == upload.topic for label, upload in zip(answered, uploads, strict=True)]))}
    _turn(project)
    told, lines = _told(project)
    books.asked = sum(int(line["cost"].get("asked", 0)) for line in lines)
    spent = sum(float(line["cost"].get("committed_usd", 0.0)) for line in lines)
    for rival in rivals:
        accuracy[rival.policy.name] = _rival_window(rival, clips, window, options)
    return WindowOutcome(
        window.number,
        window.title,
        window.cause,
        len(uploads),
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


def _rivals(project: Project, options: YearOptions) -> list[_Rival]:
    """All policies without a loop, with the first model and the clips that it learned from."""
    data, conf = project.root / "data", project.root / "conf" / "base"
    bundle = BundlesDataset(filepath=str(data / "06_models" / "champions")).load()[CAPABILITY]
    clips = pd.read_parquet(data / "02_intermediate" / "clips.parquet")
    labels = pd.read_parquet(data / "05_model_input" / "labels.parquet")
    capability = Capability(kind=Kind.SINGLE, classes=bundle.classes)
    taught = training_data(CAPABILITY, capability, clips, labels).clips
    shop = Workshop(
        store=FeatureStore(data / "04_feature"),
        extractors=build_all(FeatureOptions(**_parameters(conf, "featurize")["extractors"])),
        options=TrainOptions(**(_parameters(conf, "train") | options.parameters()["train"])),
        limits=Limits(),
        mapper=LocalMapper(),
        seed=options.seed,
    )
    learner = Learner(shop, capability, taught, bundle)
    seen = _seen(learner, clips[clips["split"] != "train"])
    return [_Rival(policy, learner, seen) for policy in RIVALS]


def _parameters(conf: Path, group: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((conf / f"parameters_{group}.yml").read_text("utf-8"))[group]
    return found


def _rival_window(rival: _Rival, clips: pd.DataFrame, window: Window, options: YearOptions) -> float:
    """Let a policy answer about a window's clips, and fit its model again where it wants to.

    Returns:
        The share of right answers.
    """
    rival.learner.workshop.featurize(clips)
    seen = _seen(rival.learner, clips)
    right = float((rival.learner.answers(clips)["label"] == clips["topic"]).mean())
    if rival.policy.alarm(rival.seen, seen):
        rng = np.random.default_rng([options.seed, window.number])
        bought = clips.sample(n=min(options.labels, len(clips)), random_state=rng)
        rival.learner = rival.learner.taught(bought, _said(bought["topic"], options, rng))
        rival.labelled += len(bought)
        rival.seen = _seen(rival.learner, clips)
    return right


def _said(truth: "pd.Series[str]", options: YearOptions, rng: np.random.Generator) -> list[str]:
    """What people answer: the truth, or now and then another class of those at hand."""
    known = sorted(set(truth))
    others = {label: [one for one in known if one != label] or [label] for label in known}
    wrong = rng.random(len(truth)) < options.error_rate
    return [str(rng.choice(others[label])) if mistaken else label for label, mistaken in zip(truth, wrong, strict=True)]


def _seen(learner: Learner, clips: pd.DataFrame) -> pd.DataFrame:
    """What a table of traffic shows of clips: numbers and words that Evidently compares."""
    answers = learner.answers(clips)
    return pd.DataFrame(
        {
            "text_length": clips["text"].str.len().to_numpy(np.float64),
            "label": answers["label"].astype(object).to_numpy(),
            "confidence": answers["probability"].to_numpy(np.float64),
        }
    )


def _first(options: YearOptions) -> SampleOptions:
    """The part of the endless feed that the first models learn from."""
    return SampleOptions(clips=options.first_clips, creators=options.creators, seed=options.seed)


def _price(project: Project) -> float:
    """US dollars for one label by one person."""
    return float(_parameters(project.root / "conf" / "base", "label")["people"]["price"])


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
