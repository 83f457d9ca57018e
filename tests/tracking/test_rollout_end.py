"""How a rollout changes champions: on the disk, in the ledger, and at the next run in MLflow's registry."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BundleError, ConfigurationError, RunInProgressError
from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.core.scope import Scope
from cu_pipeline.datasets.bundles import BundlesDataset
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.bundle_folder import replace_bundle
from cu_pipeline.rollout import plan, trials
from cu_pipeline.rollout.plan import Rollout
from cu_pipeline.tracking import registry, rollout_end
from cu_pipeline.tracking.champions import settle_champions
from cu_pipeline.tracking.promotions import Promotion, former_champions, taken_back
from cu_pipeline.tracking.run_lock import RunLock

NAMES = iter(f"rolled out {number}" for number in range(100))


def model(name, level, **fields):
    weights = {"level": np.array([level, 0.0], dtype=np.float32)}
    return Bundle(name, Kind.SINGLE, ("cooking", "sport"), "majority", {}, weights, {}, **fields)


class Project:
    """A project with a champion, and a rollout that runs beside it."""

    def __init__(self, root):
        self.name = next(NAMES)
        self.folder, self.champions = root / "rollouts", root / "champions"
        self.ledger_file = root / "promotions.jsonl"
        self.old, self.new = model(self.name, 1.0, scope=Scope(feeds=("a.csv",))), model(self.name, 2.0)
        BundlesDataset(filepath=str(self.champions)).save({self.name: self.old})
        first = Promotion.now(self.name, (None, self.old.version), "gate", "the first")
        append_lines(self.ledger_file, [json.dumps(first.as_json())])
        started = datetime(2026, 3, 4, tzinfo=UTC)
        versions = {"challenger": self.new.version, "champion": self.old.version}
        self.rollout = Rollout(capability=self.name, **versions, started=started, by="ann")
        trials.start(self.folder, self.rollout, self.new)

    @property
    def served(self):
        return BundlesDataset(filepath=str(self.champions)).load()[self.name]

    @property
    def ledger(self):
        return [Promotion.from_json(json.loads(line)) for line in read_lines(self.ledger_file)]

    @property
    def state(self):
        return plan.read(plan.place_of(self.folder, self.name))

    def promote(self):
        return rollout_end.promote(self.folder, self.champions, self.rollout, "it is better")

    def roll_back(self, *, refused=True):
        return rollout_end.roll_back(self.folder, self.champions, self.rollout, "it is worse", refused=refused)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    return Project(tmp_path)


def test_a_promotion_swaps_the_champion_and_enters_the_ledger(project):
    ended = project.promote()
    assert (ended.status, ended.reason) == ("promoted", "it is better")
    assert project.state == ended
    assert project.served.version == project.new.version
    assert project.served.scope == project.old.scope  # which clips it answers about is the project's, not the model's
    last = project.ledger[-1]
    assert (last.before, last.after, last.cause) == (project.old.version, project.new.version, "rollout")
    assert not trials.holds_challenger(plan.place_of(project.folder, project.name))
    assert former_champions(project.ledger) == [project.old.version]
    assert taken_back(project.ledger) == {project.old.version}  # the gate does not undo it by itself


def test_a_rollback_is_entered_and_keeps_the_gate_from_promoting_the_challenger(project):
    assert project.roll_back().status == "rolled_back"
    assert project.served.version == project.old.version
    last = project.ledger[-1]
    assert (last.before, last.after, last.refused) == (project.old.version, project.old.version, project.new.version)
    assert taken_back(project.ledger) == {project.new.version}
    assert former_champions(project.ledger) == []


def test_one_that_was_only_not_shown_better_may_come_again(project):
    project.roll_back(refused=False)
    assert len(project.ledger) == 1
    assert project.state.status == "rolled_back"


def test_what_a_killed_process_left_is_completed_without_a_second_entry(project, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rollout_end, "replace_bundle", killed)
        with pytest.raises(KeyboardInterrupt):
            project.promote()
    assert (project.state.status, project.served.version) == ("running", project.old.version)
    with monkeypatch.context() as patch:
        patch.setattr(trials, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            project.promote()
    assert (project.state.status, project.served.version) == ("running", project.new.version)
    assert rollout_end.stop_replaced(project.folder, project.champions, project.rollout).status == "promoted"
    assert [entry.after for entry in project.ledger] == [project.old.version, project.new.version]


def test_while_a_run_writes_to_the_project_nothing_changes(project, tmp_path):
    lock = RunLock(tmp_path)
    lock.acquire()
    try:
        for end in (project.promote, project.roll_back):
            with pytest.raises(RunInProgressError):
                end()
    finally:
        lock.release()
    assert (project.state.status, len(project.ledger)) == ("running", 1)
    assert project.promote().status == "promoted"


@pytest.mark.parametrize("missing", ["ledger", "champions"])
def test_where_champions_are_fixed_it_says_so_and_only_stops_routing(project, monkeypatch, missing):
    if missing == "ledger":
        project.ledger_file.unlink()
    else:
        monkeypatch.setattr(rollout_end.os, "access", lambda *_: False)
    ended = project.promote()
    assert ended.status == "stopped"
    assert ended.reason.startswith("it is better. It was not made champion: ")
    assert f"kedro models promote '{project.name}' {project.new.version}" in ended.reason
    assert project.served.version == project.old.version


def test_a_champion_that_was_replaced_ends_the_rollout(project):
    third = model(project.name, 3.0)
    replace_bundle(project.champions / next(project.champions.iterdir()).name, third)
    assert rollout_end.replaced_by(project.champions, project.rollout) == third.version
    ended = project.promote()
    assert (ended.status, ended.reason) == (
        "stopped", f"its champion {project.old.version} was replaced by {third.version}"
    )  # fmt: skip
    assert len(project.ledger) == 1


def test_a_second_end_is_refused(project):
    project.roll_back()
    for end in (project.promote, project.roll_back):
        with pytest.raises(ConfigurationError, match="no rollout runs any more: rolled back"):
            end()
    assert len(project.ledger) == 2


def test_a_damaged_challenger_is_not_promoted(project):
    place = plan.place_of(project.folder, project.name)
    (place / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(BundleError):
        project.promote()
    assert (project.served.version, len(project.ledger)) == (project.old.version, 1)


@pytest.mark.parametrize("is_registered", [True, False])
def test_the_next_run_brings_the_registry_to_name_the_new_champion(tracked_root, tmp_path, is_registered):
    project = Project(tmp_path / "data")
    for bundle in (project.old, project.new)[: 1 + is_registered]:
        bundle.save(tmp_path / bundle.version)
        registry.register(tmp_path / bundle.version, project.name, bundle.version)
    settle_champions({project.name: project.old}, {}, project.ledger)
    assert registry.champion(project.name).bundle_version == project.old.version
    assert project.promote().status == "promoted"
    standing = settle_champions({project.name: project.served}, {project.name: project.old}, project.ledger)
    assert standing.champions[project.name].version == project.new.version
    assert standing.moved == []
    assert standing.taken_back[project.name] == {project.old.version}
    assert registry.champion(project.name).bundle_version == project.new.version


def test_after_a_rollback_the_registry_stays(tracked_root, tmp_path):
    project = Project(tmp_path / "data")
    project.roll_back()
    standing = settle_champions({project.name: project.old}, {project.name: project.new}, project.ledger)
    assert standing.champions[project.name].version == project.old.version
    assert standing.taken_back[project.name] == {project.new.version}
