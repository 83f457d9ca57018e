"""One iteration from where it stands to its end, or to what it waits for."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.errors import RunInProgressError, StudioAwayError
from cu_pipeline.iterate import parent_run, rollouts
from cu_pipeline.iterate.announcing import announce_end, announce_error, announce_waiting
from cu_pipeline.iterate.evidence import challengers
from cu_pipeline.iterate.history_page import PAGE, history_page
from cu_pipeline.iterate.ledger import FAILED, IterationLine
from cu_pipeline.iterate.options import IterateOptions
from cu_pipeline.iterate.outcome import line_of, metrics_of, name_of, tags_of
from cu_pipeline.iterate.project import Project
from cu_pipeline.iterate.state import Iteration, Status, StepName
from cu_pipeline.iterate.steps import STEPS, after
from cu_pipeline.iterate.work import PROMOTIONS, Outcome, Work
from cu_pipeline.tracking.refusals import refuse

LOCK: Final = Path("data/.iterate.lock")


class Ended(IntEnum):
    """How a call ended, as its exit code.

    Attributes:
        DONE: the iteration is over, whatever was decided.
        WAITING: for people's labels, or a rollout's evidence.
        HELD: a person holds the loop, or must approve.
        FAILED: the iteration is over, since a step of it failed too often; the next call begins another one.
    """

    DONE = 0
    FAILED = 1
    WAITING = 3
    HELD = 4


@dataclass(frozen=True)
class Report:
    """What a call did.

    Attributes:
        ended: how it ended.
        told: in words.
        line: of the ledger, where the iteration is over.
    """

    ended: Ended
    told: str
    line: IterationLine | None = None


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Let one process at a time iterate in a project; the system frees the lock however it ends.

    Raises:
        RunInProgressError: another one does.
    """
    path = root / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RunInProgressError(
            f"another `kedro iterate` works in {root}: wait for its end, or look with `kedro iterate status`"
        ) from error
    try:
        yield
    finally:
        lock.release()


def iterate(project: Project, trigger: str, tell: Callable[[str], None]) -> Report:
    """Begin an iteration, or go on with the one that is not over, as far as it goes.

    Where an audit finds champions worse, the iteration that trains begins at once. A call that ends by an error is
    counted among the project's failed calls, also where that is before a step.

    Args:
        project: in which.
        trigger: a person's reason to begin one whatever the monitor says; "": there is none.
        tell: shows a line of progress.

    Raises:
        RunInProgressError: another process iterates, or runs pipelines, in the project.
        CuPipelineError: a step failed; the next call tries it again.
    """
    with locked(project.root), project.failed_calls.counting():
        report = _one(project, trigger, tell)
        if report.line is not None and report.line.found_worse:
            tell(f"  {report.told}")
            report = _one(project, "", tell)
        return report


def _one(project: Project, trigger: str, tell: Callable[[str], None]) -> Report:
    """Begin an iteration, or go on with the one that is not over."""
    current = project.state.read()
    if current is None or current.status is Status.DONE:
        if hold := project.verdicts.standing(0).hold:
            return Report(Ended.HELD, f"held by {hold}. `kedro iterate release` lets it go on")
        current = _begun(project, current, trigger)
    elif trigger:
        tell(f"iteration {current.number} is not over, and goes on; --cause is for a new one")
    return _go_on(project, current, tell)


def _begun(project: Project, former: Iteration | None, trigger: str) -> Iteration:
    last = max((one.number for one in project.ledger.records()), default=0)
    number = max(last, former.number if former else 0) + 1
    begun = Iteration.begin(number, trigger, project.paid_usd())
    project.state.write(begun)
    return begun


def _go_on(project: Project, current: Iteration, tell: Callable[[str], None]) -> Report:
    if not current.run_id:
        current = replace(current, run_id=parent_run.start(project.root, current.number))
        project.state.write(current)
    while True:
        parameters, options = project.parameters()
        standing = project.verdicts.standing(current.number)
        if standing.hold:
            return Report(Ended.HELD, f"held by {standing.hold}. `kedro iterate release` lets it go on")
        if standing.vetoed and current.upcoming is not StepName.SETTLE:
            current = _vetoed(project, current, str(standing.vetoed))
        if _is_hopeless(current, options):
            current = _given_up(project, current)
        work = Work(project, current, parameters, options, standing, tell)
        current, outcome = _step(work)
        if outcome.waits:
            announce_waiting(current, outcome.waits_on, options.alerts)
            return Report(Ended.HELD if outcome.waits is Status.APPROVAL else Ended.WAITING, outcome.told)
        if current.status is Status.DONE:
            line = _settled(project, current)
            announce_end(line, options.alerts)
            ended = Ended.FAILED if line.outcome == FAILED else Ended.DONE
            return Report(ended, f"{line.outcome}: {line.reason}", line)


def _step(work: Work) -> tuple[Iteration, Outcome]:
    """Do the next step."""
    name, project = work.iteration.upcoming, work.project
    ended_by = work.iteration.reason if name is StepName.SETTLE else ""
    begun = replace(work.iteration.beginning(name), reason=ended_by)
    project.state.write(begun)
    work.tell(f"iteration {begun.number}, {name.value.replace('_', ' ')}")
    started = time.perf_counter()
    try:
        outcome = STEPS[name](replace(work, iteration=begun))
    except StudioAwayError as error:
        outcome = Outcome(told=str(error), waits=Status.WAITING, waits_on="label_studio")
    except RunInProgressError:
        raise
    except Exception as error:
        project.state.write(begun.failing(name, f"{name.value}: {error}"))
        announce_error(begun, error, work.options.alerts)
        raise
    if outcome.waits:
        waiting = begun.waiting(name, outcome.waits, outcome.told)
        project.state.write(waiting)
        return waiting, outcome
    if outcome.told:
        work.tell(f"  {outcome.told}")
    upcoming = outcome.upcoming or after(name)
    ended = begun.ending(name, time.perf_counter() - started, outcome.facts, project.hashes(*outcome.inputs), upcoming)
    if name is StepName.SETTLE:
        ended = replace(ended, status=Status.DONE)
    if name is not StepName.SETTLE:
        project.state.write(ended)
    return ended, outcome


def _vetoed(project: Project, current: Iteration, said: str) -> Iteration:
    """End an iteration that a person does not want: what it trained is not promoted."""
    gate = current.facts(StepName.TRAIN).get("gate", {})
    better = [one for one in challengers(gate) if one.promoted]
    rollouts.roll_back(project, better, f"vetoed by {said}")
    wanted = {one.capability: (one.champion, one.version) for one in better}
    refuse(project.root / PROMOTIONS, wanted, f"vetoed by {said}")
    return _ending_early(project, current, f"vetoed by {said}")


def _given_up(project: Project, current: Iteration) -> Iteration:
    return _ending_early(project, current, f"given up: {current.reason}")


def _ending_early(project: Project, current: Iteration, reason: str) -> Iteration:
    ending = replace(current, upcoming=StepName.SETTLE, reason=reason)
    project.state.write(ending)
    return ending


def _is_hopeless(current: Iteration, options: IterateOptions) -> bool:
    record = current.record(current.upcoming)
    return record is not None and record.errors >= options.guards.failures and current.upcoming is not StepName.SETTLE


def _settled(project: Project, current: Iteration) -> IterationLine:
    """Enter the iteration into the ledger, then end its MLflow run and write that it is over.

    A process that is killed in between does so again: the ledger has a number once.
    """
    vetoed = project.verdicts.standing(current.number).vetoed
    line = line_of(current, project.paid_usd(), vetoed=vetoed is not None)
    known = {one.number: one for one in project.ledger.records()}
    if line.number in known:
        line = known[line.number]
    else:
        project.ledger.append([line])
    write_text(project.root / PAGE, history_page(list(project.ledger.records())))
    _end_run(project, line)
    project.state.write(replace(current, reason=line.reason))
    return line


def _end_run(project: Project, line: IterationLine) -> None:
    failed = line.outcome == FAILED
    metrics: Mapping[str, Any] = metrics_of(line)
    parent_run.finish(project.root, line.run_id, name_of(line), tags_of(line), metrics, failed=failed)
