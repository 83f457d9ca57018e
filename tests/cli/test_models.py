"""`kedro models` as it is typed, on a registry of MLflow's own; the project's settings are stood in for."""

import json
import shutil
import sys
from contextlib import contextmanager
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from kedro.io import DataCatalog, MemoryDataset
from mlflow import MlflowClient

from cu_pipeline.cli import models
from cu_pipeline.cli.model_project import ModelProject, open_project
from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.errors import RunInProgressError
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.keys import registry_key
from cu_pipeline.core.records import CLIPS, LABELS
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.datasets.bundles import BundlesDataset
from cu_pipeline.datasets.objects import JSONObjectLog
from cu_pipeline.evaluation.measurement import EvaluateOptions
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.tracking import mlflow_run, registry
from cu_pipeline.tracking.champions import settle_champions
from cu_pipeline.tracking.promotions import Promotion
from cu_pipeline.tracking.run_lock import RunLock

CLASSES = ("cooking", "sport")
NAMES = iter(f"capability {number}" for number in range(100))


def constant(name, cooking):
    """A model that finds the same probability of cooking in every clip: of odds exp(cooking)."""
    level = np.array([cooking, 0.0], dtype=np.float32)
    return Bundle(name, Kind.SINGLE, CLASSES, "majority", {}, {"level": level}, {})


class Project:
    """A project's data, with a capability of its own on the module's registry, and its commands."""

    def __init__(self, root, monkeypatch):
        self.root, self.name = root, next(NAMES)
        self.a, self.b, self.c = (constant(self.name, cooking) for cooking in (2.0, -1.0, -2.0))
        monkeypatch.setattr(sys.modules["cu_pipeline.cli.models"], "_project", self._opened)

    @contextmanager
    def _opened(self, metadata, env, *, writes=False):
        from cu_pipeline.cli.foreseen import told_in_words

        with told_in_words(self.root):
            yield ModelProject(self.catalog(), self.parameters())

    def parameters(self):
        return {"capabilities": SimpleNamespace(root={self.name: None}), "evaluate": EvaluateOptions()}

    def catalog(self):
        data = self.root / "data"
        champions, of = str(data / "champions"), "cu_pipeline.tracking.promotions.Promotion"
        ledger, tests = str(data / "promotions.jsonl"), str(data / "gate_tests.jsonl")
        test = "cu_pipeline.evaluation.account.GateTest"
        active = {self.name: Capability(kind=Kind.SINGLE, classes=CLASSES)}
        return DataCatalog(
            {
                "champions": BundlesDataset(filepath=champions),
                "served_champions": BundlesDataset(filepath=champions, lenient=True),
                "bundle_cache": BundlesDataset(filepath=str(data / "bundles"), lenient=True),
                "promotions": JSONObjectLog(filepath=ledger, of=of),
                "earlier_promotions": JSONObjectLog(filepath=ledger, of=of),
                "gate_tests": JSONObjectLog(filepath=tests, of=test),
                "earlier_gate_tests": JSONObjectLog(filepath=tests, of=test),
                "capabilities_resolved": MemoryDataset(ResolvedCapabilities(active)),
                "clips": MemoryDataset(clips()),
                "labels": MemoryDataset(labels(self.name)),
                "features": MemoryDataset(FeatureStore(data / "features"), copy_mode="assign"),
            }
        )

    def register(self, *bundles):
        for bundle in bundles:
            bundle.save(self.root / "scratch" / bundle.version)
            registry.register(self.root / "scratch" / bundle.version, self.name, bundle.version)

    def run(self, *arguments, fails=False):
        done = CliRunner().invoke(models, arguments, obj=SimpleNamespace(project_path=self.root))
        assert done.exit_code == int(fails), done.output
        return done.output

    @property
    def served(self):
        return {name: one.version for name, one in self.catalog().load("champions").items()}.get(self.name)

    @property
    def changes(self):
        return [(one.before, one.after, one.cause) for one in self.catalog().load("earlier_promotions")]

    @property
    def alias(self):
        found = registry.champion(self.name)
        return found and found.bundle_version


def clips():
    """Twelve test clips of six creators; all but the first creator's two are about sport."""
    texts = [f"a caption number {number}" for number in range(12)]
    rows = [
        {"clip_id": f"c{number}", "text": text, "text_sha256": text_sha256(text), "split": "test", "lang": "en"}
        | {"group": f"u{number // 2}", "media_sha256": "", "path": ""}
        for number, text in enumerate(texts)
    ]
    return pd.DataFrame(rows, columns=list(CLIPS), dtype="object")


def labels(name):
    rows = [
        {"clip_id": f"c{number}", "capability": name, "label": "cooking" if number < 2 else "sport", "source": "human"}
        for number in range(12)
    ]
    return pd.DataFrame(rows, columns=list(LABELS), dtype="object")


@pytest.fixture
def project(tracked_root, tmp_path, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    return Project(tmp_path, monkeypatch)


@pytest.fixture
def promoted(project):
    """A project in which a, b and c were promoted one after the other."""
    catalog, line = project.catalog(), [None, project.a, project.b, project.c]
    project.register(*line[1:])
    ends = [one and one.version for one in line]
    entries = [Promotion.now(project.name, step, "gate", "better") for step in pairwise(ends)]
    catalog.save("promotions", entries)
    catalog.save("champions", {project.name: project.c})
    registry.set_champion(project.name, "3")
    return project


def test_any_registered_model_can_be_promoted_and_what_it_replaces_is_taken_back(project):
    a, b = project.a, project.b
    project.register(a, b)
    assert "in the place of none" in project.run("promote", project.name, "1")
    told = project.run("promote", project.name, b.version[:6], "--reason", "b is what we want")
    assert f"{b.version} (version 2, majority, run register) becomes champion in the place of {a.version}" in told
    assert (project.served, project.alias) == (b.version, b.version)
    assert project.changes == [(None, a.version, "promote"), (a.version, b.version, "promote")]
    last = project.catalog().load("earlier_promotions")[-1]
    assert (last.reason, last.from_number, last.to_number, bool(last.actor)) == ("b is what we want", "1", "2", True)
    served, ledger = project.catalog().load("champions"), project.catalog().load("earlier_promotions")
    standing = settle_champions(served, {project.name: a}, ledger)  # as the next run does
    assert (standing.moved, standing.taken_back[project.name]) == ([], {a.version})
    assert "is the champion already" in project.run("promote", project.name, "champion", fails=True)
    project.register(project.c)
    told = project.run("rollback", project.name, "--to", "3", fails=True)
    command = f"kedro models promote '{project.name}' {project.c.version}"
    assert f"was never champion. To make it champion: {command}" in told


def test_rollbacks_lead_back_step_by_step_and_say_where_they_end(promoted):
    a, b, c = promoted.a, promoted.b, promoted.c
    for former in (b, a):
        assert f"the champion is {former.version} from now on" in promoted.run(
            "rollback", promoted.name, "--reason", "too sure of itself"
        )
        assert (promoted.served, promoted.alias) == (former.version, former.version)
    assert promoted.changes[3:] == [(c.version, b.version, "rollback"), (b.version, a.version, "rollback")]
    shown = promoted.run("show", promoted.name)
    assert shown.startswith(f"{promoted.name} {a.version}: champion")
    assert "single: cooking, sport" in shown
    assert "kedro models rollback by " in shown
    assert ": too sure of itself" in shown
    told = promoted.run("rollback", promoted.name, fails=True)
    assert "and the ledger of promotions has none before" in told
    assert f"kedro models promote '{promoted.name}' MODEL" in told
    promoted.run("rollback", promoted.name, "--to", c.version)
    assert promoted.served == c.version


def test_a_dry_run_and_a_name_of_none_or_several_models_change_nothing(promoted):
    data = promoted.root / "data"
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    for command in (["promote", promoted.name, "1"], ["rollback", promoted.name]):
        told = promoted.run(*command, "--dry-run")
        assert f"becomes champion in the place of {promoted.c.version}" in told
        assert "Dry run: nothing was changed" in told
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before
    assert promoted.alias == promoted.c.version
    told = promoted.run("promote", promoted.name, "register", fails=True)
    assert "'register' means 3 models; give the bundle's version of one:" in told
    assert all(one.version in told for one in (promoted.a, promoted.b, promoted.c))
    assert "no model is called 'nobody'" in promoted.run("promote", promoted.name, "nobody", fails=True)
    assert "capability 'tpoic' is unknown. Allowed: " in promoted.run("show", "tpoic", fails=True)


def test_a_model_that_a_run_logged_and_nobody_registered_is_listed_and_promoted_by_the_runs_name(project, tracked_root):
    project.register(project.a)
    project.run("promote", project.name, "1")
    project.b.save(project.root / "logged")
    run_id = mlflow_run.start(tracked_root, f"more labels for {project.name}", {})
    tags = {"capability": project.name, "bundle_version": project.b.version, "family": "majority"}
    client = MlflowClient()
    experiment = client.get_run(run_id).info.experiment_id
    model = client.create_logged_model(experiment, name=registry_key(project.name), source_run_id=run_id, tags=tags)
    client.log_model_artifacts(model.model_id, str(project.root / "logged"))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_metric(run_id, "accuracy", 0.875, model_id=model.model_id)
    mlflow_run.finish("FINISHED")
    listed = project.run("list", project.name).splitlines()
    assert listed[0] == f"{project.name}: champion {project.a.version}"
    assert listed[2].split()[:4] == ["-", project.b.version, "majority", "0.875"]
    assert listed[3].split()[:3] == ["*", "1", project.a.version]
    rows = json.loads(project.run("list", project.name, "--json"))
    assert [(row["number"], row["champion"]) for row in rows] == [(None, False), ("1", True)]
    project.run("promote", project.name, f"more labels for {project.name}")
    assert (project.served, project.alias) == (project.b.version, project.b.version)


def test_a_comparison_asks_both_on_the_same_clips_and_only_a_promotion_spends_on_it(project):
    a, b = project.a, project.b
    project.register(a, b)
    project.run("promote", project.name, "1")
    told = project.run("compare", project.name, "champion", "2")
    assert "On 12 labelled test clips of 6 units" in told
    assert f"{b.version} gains +0.667 " in told
    assert "it alone is right on 10 of them" in told
    assert "This is an exploratory comparison" in told
    assert project.catalog().load("earlier_gate_tests") == []
    told = project.run("promote", project.name, "2")
    assert "its accuracy is +0.667" in told
    assert "it counts as a test in the gate's account" in told
    (test,) = project.catalog().load("earlier_gate_tests")
    assert (test.challenger, test.champion, test.alpha) == (b.version, a.version, pytest.approx(0.035))
    project.run("rollback", project.name)
    told = project.run("promote", project.name, "2")  # the same two models on the same clips
    assert "has a test of these two models already, so nothing more is spent" in told
    assert len(project.catalog().load("earlier_gate_tests")) == 1


def test_models_of_other_classes_are_told_apart(project):
    other = Bundle(project.name, Kind.SINGLE, ("a", "b"), "majority", {}, project.a.weights, {})
    project.register(project.a, other)
    project.run("promote", project.name, "1")
    assert "they do not recognise the same classes" in project.run("compare", project.name, "1", "2")
    told = project.run("promote", project.name, "2")
    assert "note: it recognises a, b (single); today's classes are cooking, sport (single)" in told
    assert project.served == other.version


@pytest.mark.parametrize("killed_at", ["promotions", "champions"])
def test_a_command_that_was_killed_is_completed_by_the_next_run_or_command(promoted, killed_at, monkeypatch):
    a, b, c = promoted.a, promoted.b, promoted.c
    kind = {"promotions": JSONObjectLog, "champions": BundlesDataset}[killed_at]
    real = kind.save

    def save(self, data):
        if killed_at == "promotions":
            real(self, data)  # the ledger is written, nothing else is
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kind, "save", save)
        with pytest.raises(AssertionError):
            promoted.run("rollback", promoted.name)
    assert promoted.served == c.version
    ledger = promoted.catalog().load("earlier_promotions")
    standing = settle_champions(promoted.catalog().load("champions"), {}, ledger)
    assert standing.champions[promoted.name].version == b.version
    assert "becomes champion in the place of " + b.version in promoted.run("rollback", promoted.name)
    assert (promoted.served, promoted.alias) == (a.version, a.version)


def test_a_promotion_that_is_called_again_after_it_was_killed_says_that_it_is_completed(promoted):
    a, c = promoted.a, promoted.c
    settle_champions({promoted.name: c}, {}, promoted.catalog().load("earlier_promotions"))
    step = Promotion.now(promoted.name, (c.version, a.version), "promote", "cheaper")
    promoted.catalog().save("promotions", [step])  # and then it was killed
    told = promoted.run("promote", promoted.name, "1")
    assert f"{a.version} (version 1, majority, run register) is champion by the ledger already" in told
    assert f"does not promote {a.version} again" not in told
    assert (promoted.served, promoted.alias) == (a.version, a.version)
    assert len(promoted.changes) == 4


def test_a_promotion_that_cannot_be_made_spends_nothing(project, monkeypatch):
    project.register(project.a, project.b)
    project.run("promote", project.name, "1")
    catalog = project.catalog()
    catalog.save("promotions", [Promotion.now("lost", (None, "0123456789ab"), "gate", "better")])
    monkeypatch.setattr(
        project,
        "parameters",
        lambda: {
            "capabilities": SimpleNamespace(root={project.name: None, "lost": None}),
            "evaluate": EvaluateOptions(),
        },
    )
    active = {name: Capability(kind=Kind.SINGLE, classes=CLASSES) for name in (project.name, "lost")}
    catalog["capabilities_resolved"] = MemoryDataset(ResolvedCapabilities(active))
    monkeypatch.setattr(project, "catalog", lambda: catalog)
    assert "the champion of lost in" in project.run("promote", project.name, "2", fails=True)
    assert catalog.load("earlier_gate_tests") == []
    assert project.served == project.a.version


def test_where_mlflow_lacks_the_champions_lists_name_them_and_what_registers_them(project):
    project.catalog().save("champions", {project.name: project.a})  # as with another MLFLOW_TRACKING_URI
    listed = project.run("list")
    assert f"{project.name}: champion {project.a.version}\n   MLflow knows no model of it here" in listed
    told = project.run("show", project.name, fails=True)
    assert f"knows no model of {project.name} though {project.a.version} is its champion" in told


def test_a_model_whose_files_were_deleted_is_refused_in_words(project, tracked_root):
    project.register(project.b)
    shutil.rmtree(next(tracked_root.rglob(project.b.version)))
    told = project.run("promote", project.name, "1", fails=True)
    assert f"the files of {project.b.version} (version 1, majority, run register) cannot be read from" in told
    assert "Remedy: name another model" in told
    assert "MLFLOW_TRACKING_URI" not in told  # which is fine


def test_an_alias_that_was_moved_in_mlflow_before_is_entered_and_the_command_counts(promoted):
    registry.set_champion(promoted.name, "1")
    promoted.run("promote", promoted.name, "2")
    a, b, c = (one.version for one in (promoted.a, promoted.b, promoted.c))
    assert promoted.changes[3:] == [(c, a, "hand"), (a, b, "promote")]
    assert (promoted.served, promoted.alias) == (b, b)


def test_a_command_beside_a_run_is_refused_with_who_holds_the_lock(tmp_path):
    lock = RunLock(tmp_path)
    lock.acquire()
    try:
        with pytest.raises(RunInProgressError, match="another run holds"), open_project(tmp_path, None, writes=True):
            raise AssertionError("unreachable")
    finally:
        lock.release()
