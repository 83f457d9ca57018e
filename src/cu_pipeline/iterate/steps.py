"""The steps of an iteration: a function each, and the table of them. Each can be begun again after a kill."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from cu_pipeline.ingest.served_clips import SERVED
from cu_pipeline.iterate import people, rollouts
from cu_pipeline.iterate.announcing import announce_drift
from cu_pipeline.iterate.auditing import audit
from cu_pipeline.iterate.choosing import choose_clips
from cu_pipeline.iterate.decide import Action, LoopDecision, Money, decide
from cu_pipeline.iterate.evidence import challengers, lacking_evidence
from cu_pipeline.iterate.finding import Finding
from cu_pipeline.iterate.likeness import LogComparison
from cu_pipeline.iterate.options import IterateOptions, PeopleKind
from cu_pipeline.iterate.project import Project
from cu_pipeline.iterate.standing_audit import Champions
from cu_pipeline.iterate.state import Status, StepName
from cu_pipeline.iterate.work import ANSWERS, CLIPS, DRIFT, GATE, PROMOTIONS, REQUESTS, Outcome, Work
from cu_pipeline.labeling.people.requests import LabelRequest, Purpose
from cu_pipeline.reports.drift_told import read_drift
from cu_pipeline.tracking.label_project import open_sync
from cu_pipeline.tracking.project_feed import FEED, SAMPLE
from cu_pipeline.tracking.refusals import refuse


def monitor(work: Work) -> Outcome:
    """Look for drift in what the service saw."""
    work.run("monitor")
    (record,) = work.project.load("drift")
    told = read_drift(record)
    announce_drift(told, work.options.alerts)
    return Outcome({"decision": told.decision, "look": told.look.id}, told.summary or told.decision, (DRIFT,))


def decide_action(work: Work) -> Outcome:
    """Decide what to do about it."""
    told = work.drift()
    champions = served_champions(work.project, work.parameters, told)
    found = decided(work.project, work.parameters, work.options, told, work.iteration.trigger, champions)
    cause = found.cause
    facts = {
        "action": found.action.value,
        "reason": found.reason,
        "clips": found.clips,
        "audit": found.audit,
        "champions": dict(champions.serving),
        "window": _written(told.window),
        "look": told.look,
        "quality": dict(told.accuracy or {}),
        "notices": list(told.notices),
        "cause": {}
        if cause is None
        else {
            "kind": cause.kind,
            "in_words": cause.in_words,
            "since": cause.since.isoformat() if cause.since else None,
            "share": cause.share,
        },
    }
    upcoming = None if found.action.labels else StepName.SETTLE
    return Outcome(facts, f"{found.action.value}: {found.reason}", (DRIFT,), upcoming)


def decided(
    project: Project,
    parameters: Mapping[str, Any],
    options: IterateOptions,
    told: Finding,
    trigger: str,
    champions: Champions,
) -> LoopDecision:
    """Decide by what the monitor tells, the ledger, what is known of the champions, and the money that is left."""
    label_options = parameters["label"]
    with open_sync(project.root, project.env, writes=False) as (sync, _):
        left = people.queue_usd_left(sync.reviews(), label_options.queue.budget_usd)
        asked = len(sync.capabilities)
    answers = label_options.people.price * label_options.queue.redundancy * asked
    others = 1 - label_options.queue.gold_share
    money = Money(left, int(label_options.queue.max_clips * others), answers / others)
    return decide(told, list(project.ledger.records()), money, options, datetime.now(UTC), trigger, champions)


def served_champions(project: Project, parameters: Mapping[str, Any], told: Finding) -> Champions:
    """The champions whose traffic the monitor looks at."""
    delivery, place, resolved = project.load("delivery", "prediction_log", "capabilities_resolved")
    serving = {name: one["model_version"] for name, one in delivery["capabilities"].items()}
    kinds = {name: one.kind for name, one in resolved.active.items()}
    by_log = LogComparison(place, serving, kinds, parameters["monitor"], parameters["seed"])
    return Champions(serving, lambda line: by_log.compare(told, line))


def _written(window: tuple[datetime, datetime] | None) -> dict[str, str]:
    return dict(zip(("start", "end"), (one.isoformat() for one in window), strict=True)) if window else {}


def collect(work: Work) -> Outcome:
    """Add the chosen clips to the project's feed, and compute their features."""
    feed = work.parameters["collect"].manifest
    places = [feed] if isinstance(feed, str) else list(feed or [SAMPLE])
    added = SERVED not in places
    given = {"collect": {FEED.split(".")[1]: [*places, SERVED]}} if added else {}
    work.run("collect", "featurize", parameters=given)
    (clips,) = work.project.load("clips")
    mine = clips[clips["feed"] == SERVED]
    counts = {str(name): int(number) for name, number in mine["split"].value_counts().items()}
    told = f"{len(mine)} clips that the service saw are in the data" + (" and its feed from now on" if added else "")
    return Outcome({"served": len(mine), **counts}, told, (CLIPS,))


def label(work: Work) -> Outcome:
    """Let machines label under the guarantee, and queue what is left for people."""
    work.run("label")
    (queue,) = work.project.load("label_queue")
    return Outcome({"queued": len(queue)}, f"{len(queue)} clips are left for people", (REQUESTS,))


def ask_people(work: Work) -> Outcome:
    """Send the queue to people."""
    kind = people.who_labels(work.options, work.parameters["collect"].manifest)
    asked = people.ask(work.project, kind, work.options, work.parameters["seed"])
    facts = {
        "people": kind.value,
        "place": asked.place,
        "batches": list(asked.batches),
        "clips": asked.clips,
        "committed_usd": round(asked.committed_usd, 4),
    }
    return Outcome(facts, f"{asked.clips} clips for ${asked.committed_usd:.2f} are with {asked.place}")


def wait_for_people(work: Work) -> Outcome:
    """Take the answers that have come; where some are missing the iteration waits."""
    asked = work.iteration.facts(StepName.ASK_PEOPLE)
    kind = PeopleKind(asked["people"])
    standing = people.fetch(work.project, kind, tuple(asked["batches"]))
    if missing := people.waiting_for(standing, kind):
        return Outcome(told=missing, waits=Status.WAITING)
    reviews = standing.reviews
    found = people.counted(reviews)
    action = Action(work.iteration.facts(StepName.DECIDE)["action"])
    upcoming = _AFTER_PEOPLE[action]
    told = f"{found['answered']} clips are answered; {len(found['accepted'])} of {len(reviews)} batches count"
    if action is not Action.RETRAIN:
        work.run("label")
    return Outcome(found, told, (ANSWERS,), upcoming)


def train(work: Work) -> Outcome:
    """Train challengers on what is known now, and bring them before the gate."""
    work.run("label", "train", "evaluate")
    (gate,) = work.project.load("gate")
    found = challengers(gate)
    lines = [f"{one.capability} {'better' if one.promoted else 'kept back'} ({one.reasons})" for one in found]
    return Outcome({"gate": gate}, "; ".join(lines), (REQUESTS, ANSWERS, GATE))


def approve(work: Work) -> Outcome:
    """Refuse what no labels by people stand behind, and ask for a person's word where the parameters want it."""
    found = work.challengers
    weak = {one.capability: (one, why) for one, why in lacking_evidence(found, work.options.guards.least_test_clips)}
    for one, why in weak.values():
        refuse(work.project.root / PROMOTIONS, {one.capability: (one.champion, one.version)}, why)
    better = [one.capability for one in found if one.promoted and one.capability not in weak]
    refused = {name: why for name, (_, why) in weak.items()}
    facts: dict[str, Any] = {"promoted": better, "refused": refused}
    told = "; ".join(f"{name} is not promoted: {why}" for name, why in refused.items())
    if not better:
        work.run("report")
        return Outcome(facts, told or "nothing is promoted", upcoming=StepName.SETTLE)
    names = ", ".join(better)
    said = work.standing.approved
    if work.options.guards.approval and said is None:
        waiting = f"{names}: a person must approve (iterate.guards.approval): `kedro iterate approve` or `veto`"
        return Outcome(told=waiting, waits=Status.APPROVAL)
    facts["approved"] = str(said) if said else ""
    way = StepName.ROLLOUT if work.options.rollout.enabled else StepName.DELIVER
    facts["way"] = (
        "a rollout on live traffic (iterate.rollout)"
        if way is StepName.ROLLOUT
        else "at once: the gate promotes, and iterate.rollout is off"
    )
    return Outcome(facts, f"{names}: promoted, {facts['way']}. {told}".rstrip(), upcoming=way)


def deliver(work: Work) -> Outcome:
    """Promote, build and check the service, and write the report; a running service follows by itself."""
    work.run("deliver", "report")
    return Outcome(_serving(work), "the running service takes the new champions by itself", (GATE,), StepName.SETTLE)


def rollout(work: Work) -> Outcome:
    """Try the challengers on live traffic; while that goes on the iteration waits."""
    names = work.iteration.facts(StepName.APPROVE)["promoted"]
    chosen = [one for one in work.challengers if one.capability in names]
    running, told = rollouts.follow(work.project, work.iteration, chosen, work.options.rollout)
    if running:
        return Outcome(told=told, waits=Status.WAITING)
    work.run("evaluate", "deliver", "report")
    return Outcome(_serving(work), told, (GATE,), StepName.SETTLE)


def settle(work: Work) -> Outcome:
    """Withdraw what was asked for and is not answered; the runner enters the iteration into the ledger."""
    if work.iteration.facts(StepName.CHOOSE).get("requested"):
        (log,) = work.project.load("label_requests")
        mine = [one for one in log if one.iteration == work.iteration.id]
        if mine and not any(one.purpose is Purpose.WITHDRAWN for one in mine):
            work.project.save("label_requests", [LabelRequest(work.iteration.id, "", Purpose.WITHDRAWN)])
    return Outcome()


_AFTER_PEOPLE: Final = {
    Action.AUDIT: StepName.AUDIT,
    Action.LABEL: StepName.SETTLE,
    Action.RETRAIN: StepName.TRAIN,
}
"""What is done when people have answered."""

STEPS: Final[dict[StepName, Callable[[Work], Outcome]]] = {
    StepName.MONITOR: monitor,
    StepName.DECIDE: decide_action,
    StepName.CHOOSE: choose_clips,
    StepName.COLLECT: collect,
    StepName.LABEL: label,
    StepName.ASK_PEOPLE: ask_people,
    StepName.WAIT_FOR_PEOPLE: wait_for_people,
    StepName.AUDIT: audit,
    StepName.TRAIN: train,
    StepName.APPROVE: approve,
    StepName.DELIVER: deliver,
    StepName.ROLLOUT: rollout,
    StepName.SETTLE: settle,
}
"""Step -> what it does."""


def after(name: StepName) -> StepName:
    """The step after one, where it does not say otherwise."""
    order = list(StepName)
    return order[min(order.index(name) + 1, len(order) - 1)]


def _serving(work: Work) -> dict[str, Any]:
    (champions,) = work.project.load("served_champions")
    return {"serving": {name: bundle.version for name, bundle in champions.items()}}
