import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cu_pipeline.iterate import parent_run, runner
from cu_pipeline.iterate.options import IterateOptions
from cu_pipeline.iterate.project import Project
from cu_pipeline.iterate.state import StepName
from cu_pipeline.iterate.work import Outcome, Work


class QuietProject(Project):
    """A project whose loop runs no Kedro sessions: what its steps do is told by a test."""

    def __init__(self, root: Path, **options: Any) -> None:
        super().__init__(root)
        self.given = IterateOptions.model_validate(options)

    def parameters(self) -> tuple[dict[str, Any], IterateOptions]:
        return {}, self.given

    def paid_usd(self) -> float:
        return float((self.root / "paid").read_text()) if (self.root / "paid").is_file() else 0.0


GATE = {
    "topic": {"decision": "promote", "champion": "old", "challenger": "new", "effect": 0.1, "reasons": ["better"]}
    | {"fresh": {"effect": 0.2, "clips": 40}}
}


def retraining() -> dict[StepName, Callable[[Work], Outcome]]:
    """Steps that take drift to a new champion, each of which does its work in a file."""

    def written(work: Work, name: StepName) -> None:
        with (work.project.root / f"{name.value}.done").open("w") as stream:
            stream.write(work.iteration.id)

    def doing(name: StepName, **outcome: Any) -> Callable[[Work], Outcome]:
        def step(work: Work) -> Outcome:
            written(work, name)
            return Outcome(**outcome)

        return step

    decided = {
        "action": "retrain",
        "reason": "a new style",
        "cause": {"kind": "new_style", "in_words": "neon"},
        "look": "L",
    }
    return {
        StepName.MONITOR: doing(StepName.MONITOR, facts={"decision": "drift"}),
        StepName.DECIDE: doing(StepName.DECIDE, facts=decided, told="retrain: a new style"),
        StepName.COLLECT: doing(StepName.COLLECT),
        StepName.CHOOSE: doing(StepName.CHOOSE, facts={"requested": 3}),
        StepName.LABEL: doing(StepName.LABEL),
        StepName.ASK_PEOPLE: doing(StepName.ASK_PEOPLE, facts={"clips": 3, "committed_usd": 0.24, "people": "files"}),
        StepName.WAIT_FOR_PEOPLE: doing(
            StepName.WAIT_FOR_PEOPLE, facts={"answered": 3, "committed_usd": 0.24}, upcoming=StepName.TRAIN
        ),
        StepName.TRAIN: doing(StepName.TRAIN, facts={"gate": GATE}),
        StepName.APPROVE: doing(
            StepName.APPROVE, facts={"promoted": ["topic"], "way": "at once"}, upcoming=StepName.DELIVER
        ),
        StepName.DELIVER: doing(StepName.DELIVER, facts={"serving": {"topic": "new"}}, upcoming=StepName.SETTLE),
        StepName.SETTLE: doing(StepName.SETTLE),
    }


def auditing(*, fit: bool) -> dict[StepName, Callable[[Work], Outcome]]:
    """Steps that audit before they train: the second iteration trains, as the decision does after a bad audit."""
    table = retraining()
    trains, waits = table[StepName.DECIDE], table[StepName.WAIT_FOR_PEOPLE]

    def decide(work: Work) -> Outcome:
        done = trains(work)
        audited = any(one.audited for one in work.project.ledger.records())
        return done if audited else replace(done, facts=done.facts | {"action": "audit"}, told="audit: a new style")

    def wait(work: Work) -> Outcome:
        audits = work.iteration.facts(StepName.DECIDE)["action"] == "audit"
        return replace(waits(work), upcoming=StepName.AUDIT if audits else StepName.TRAIN)

    def audit(work: Work) -> Outcome:
        (work.project.root / "audit.done").write_text(work.iteration.id)
        row = {"champion": "old", "serves": "old", "clips": 30, "right": 28 if fit else 20, "fit": fit, "why": "w"}
        row |= {"accuracy": row["right"] / 30, "promised": 0.9, "p_value": 0.5}
        return Outcome({"effect": {"topic": row}, "told": f"{row['right']} of 30"}, upcoming=StepName.SETTLE)

    return table | {StepName.DECIDE: decide, StepName.WAIT_FOR_PEOPLE: wait, StepName.AUDIT: audit}


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[StepName, Callable[[Work], Outcome]]:
    """Put short steps in the place of the loop's, and a file in the place of MLflow; a test may change the steps."""
    table = retraining()
    monkeypatch.setattr(runner, "STEPS", table)

    def start(root: Path, number: int) -> str:
        (root / "run.json").write_text(json.dumps({"number": number}))
        return f"run-{number}"

    def finish(root: Path, run_id: str, name: str, tags: Any, metrics: Any, *, failed: bool) -> None:
        (root / "run.json").write_text(
            json.dumps({"run": run_id, "name": name, "metrics": dict(metrics), "failed": failed})
        )

    monkeypatch.setattr(parent_run, "start", start)
    monkeypatch.setattr(parent_run, "finish", finish)
    return table


@pytest.fixture
def make_project() -> Callable[..., QuietProject]:
    """Give a function that makes a project in a folder, with parameters of the loop."""

    def make(root: Path, **options: Any) -> QuietProject:
        root.mkdir(parents=True, exist_ok=True)
        return QuietProject(root, **options)

    return make


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[..., QuietProject]) -> QuietProject:
    return make_project(tmp_path)
