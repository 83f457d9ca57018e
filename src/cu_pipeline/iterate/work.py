"""What a step of an iteration goes by, and what comes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cu_pipeline.iterate.evidence import Challenger, challengers
from cu_pipeline.iterate.finding import Finding, finding_of
from cu_pipeline.iterate.options import IterateOptions
from cu_pipeline.iterate.project import Project
from cu_pipeline.iterate.state import Iteration, Status, StepName
from cu_pipeline.iterate.verdicts import Standing
from cu_pipeline.reports.drift_told import read_drift

DRIFT: Final = "data/08_reporting/drift.json"
GATE: Final = "data/08_reporting/gate.json"
CLIPS: Final = "data/02_intermediate/clips.parquet"
REQUESTS: Final = "data/01_raw/label_requests.jsonl"
QUALITY: Final = "data/06_models/quality.json"
ANSWERS: Final = "data/01_raw/people_annotations.jsonl"
PROMOTIONS: Final = "data/06_models/promotions.jsonl"


@dataclass(frozen=True)
class Work:
    """What a step goes by.

    Attributes:
        project: in which it works.
        iteration: as it stands.
        parameters: of all of the project.
        options: of the loop.
        standing: what people said.
        tell: shows a line of progress.
    """

    project: Project
    iteration: Iteration
    parameters: Mapping[str, Any]
    options: IterateOptions
    standing: Standing
    tell: Callable[[str], None]

    def run(self, *pipelines: str, **how: Any) -> None:
        """Run pipelines in a session whose MLflow run is nested in the iteration's."""
        self.project.run(pipelines, parent=self.iteration.run_id, **how)

    def drift(self) -> Finding:
        """What the monitor found last."""
        (record,) = self.project.load("drift")
        return finding_of(read_drift(record))

    @property
    def challengers(self) -> list[Challenger]:
        """What the iteration trained, as the gate judged it."""
        return challengers(self.iteration.facts(StepName.TRAIN)["gate"])


@dataclass(frozen=True)
class Outcome:
    """What came of a step.

    Attributes:
        facts: for later steps and for people.
        told: in words.
        inputs: files that it went by.
        upcoming: the step that comes next; None: the one after it.
        waits: the step is not over: what for; None: it is.
        waits_on: what it waits for beside what the step always does, of which people are told apart; "": nothing.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    told: str = ""
    inputs: tuple[str, ...] = ()
    upcoming: StepName | None = None
    waits: Status | None = None
    waits_on: str = ""
