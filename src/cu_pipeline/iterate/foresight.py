"""What an iteration would do now, without doing it."""

from cu_pipeline.iterate import people
from cu_pipeline.iterate.candidates import capture_store, newest
from cu_pipeline.iterate.decide import Action
from cu_pipeline.iterate.finding import finding_of
from cu_pipeline.iterate.options import PeopleKind
from cu_pipeline.iterate.project import Project
from cu_pipeline.iterate.state import Status
from cu_pipeline.iterate.steps import decided, served_champions
from cu_pipeline.iterate.work import DRIFT
from cu_pipeline.reports.drift_told import read_drift


def foresee(project: Project, trigger: str) -> list[str]:
    """Say what would be done and why, by what the monitor found last.

    Args:
        project: whose loop.
        trigger: a person's reason to begin whatever the monitor says; "": there is none.
    """
    current = project.state.read()
    standing = project.verdicts.standing(current.number if current else 0)
    if standing.hold:
        return [f"nothing: held by {standing.hold}"]
    if current is not None and current.status is not Status.DONE:
        return [f"go on with iteration {current.number}: {current.upcoming.value.replace('_', ' ')}. {current.reason}"]
    if not (project.root / DRIFT).is_file():
        return ["run monitor, and decide by what it finds: there is no drift.json yet"]
    parameters, options = project.parameters()
    (record,) = project.load("drift")
    told = finding_of(read_drift(record))
    found = decided(project, parameters, options, told, trigger, served_champions(project, parameters, told))
    lines = [
        "by the last run of monitor, which a real iteration runs again first:",
        f"{found.action.value}: {found.reason}",
    ]
    if found.action.labels:
        kind = people.who_labels(options, parameters["collect"].manifest)
        named = "SIMULATED people" if kind is PeopleKind.SIMULATED else kind.value.replace("_", " ")
        by = f"by {named}" if found.action is Action.AUDIT else f"by machines and then by {named}"
        kept = len(newest(capture_store(options.capture).entries()))
        lines.append(
            f"up to {min(found.clips, kept):,} of {kept:,} clips that the service keeps would be labelled, {by}"
            if kept
            else "no clip can be labelled, since the service keeps none: start it with CU_PIPELINE_CAPTURE set"
        )
    return lines
