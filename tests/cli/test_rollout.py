"""`kedro rollout` as it is typed; the project's models are stood in for."""

import json
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from cu_pipeline.cli import rollout
from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.json_lines import append_lines
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.bundle_folder import replace_bundle
from cu_pipeline.rollout import plan, trials
from cu_pipeline.rollout.betting import Tally
from cu_pipeline.rollout.evidence import Evidence
from cu_pipeline.tracking.promotions import Promotion


def model(level, classes=("cooking", "sport")):
    weights = {"level": np.array([level] * len(classes), dtype=np.float32)}
    return Bundle("topic", Kind.SINGLE, classes, "majority", {}, weights, {})


class Project:
    """A project with a champion and models by name, and its commands."""

    def __init__(self, root, monkeypatch):
        self.root, self.folder = root, root / "data/06_models/rollouts"
        champions = root / "data/06_models/champions"
        champions.mkdir(parents=True)
        self.old, self.new = model(1.0), model(2.0)
        self.models = {"challenger": self.new, "1": self.old, "third": model(3.0), "other": model(1.0, ("pets", "art"))}
        self.served = {"topic": self.old}
        replace_bundle(champions / "topic", self.old)
        first = Promotion.now("topic", (None, self.old.version), "gate", "the first")
        append_lines(champions.parent / "promotions.jsonl", [json.dumps(first.as_json())])
        monkeypatch.setenv("CU_PIPELINE_ROOT", str(root))
        monkeypatch.setattr("cu_pipeline.cli.model_project.open_project", self._opened)

    @contextmanager
    def _opened(self, root, env, *, writes):
        assert not writes
        yield self

    def find(self, capability, word):
        if word not in self.models:
            raise ConfigurationError(f"no model is called {word!r}")
        return word

    def load(self, model):
        return self.models[model]

    def champion(self, capability):
        return self.old.version

    def run(self, line, *, fails=False):
        done = CliRunner().invoke(rollout, line.split(), obj=SimpleNamespace(project_path=self.root))
        assert done.exit_code == int(fails), done.output
        return done.output

    @property
    def state(self):
        return plan.read(plan.place_of(self.folder, "topic"))


@pytest.fixture
def project(tmp_path, monkeypatch):
    return Project(tmp_path, monkeypatch)


def test_a_shadow_is_started_looked_at_and_stopped(project):
    said = project.run("start topic")
    assert f"topic: {project.new.version} in the shadow of {project.old.version}, nobody gets its answers" in said
    assert "no evidence: a running service looks" in project.run("status")
    assert project.run("stop topic --reason enough") == "topic: stopped, enough\n"
    assert project.state.status == "stopped"
    assert "stopped at" in project.run("status topic")


def test_a_canary_takes_all_its_options(project):
    options = "--canary 12.5 --sticky clip --goal not-worse --margin 0.03 --days 2 --units 50 --max-latency 2"
    project.run(f"start topic --run third {options}")
    state = project.state
    assert (state.challenger, state.mode, state.percent, state.sticky) == (model(3.0).version, "canary", 12.5, "clip")
    limits = state.limits
    assert (limits.goal, limits.margin, limits.days, limits.units, limits.latency) == ("not_worse", 0.03, 2, 50, 2)
    assert "25 % of clips get the answers" in project.run("percent topic 25")
    assert project.state.percent == 25


def test_status_says_the_evidence_in_words_and_what_is_needed(project):
    project.run("start topic")
    evidence = Evidence(
        until=project.state.started,
        requests=1234,
        feedback=80,
        quality=Tally(4, 54, 12),
        disagreement=Tally(0, 60, 20),
        errors=Tally(0, 99, 1),
        latency=Tally(0, 90, 10),
    )
    trials.keep_evidence(project.folder, "topic", evidence)
    said = project.run("status topic")
    assert "1,234 requests answered by both, feedback on 80" in said
    assert "right answers +11.4% [" in said
    assert "alone right 12, the champion alone 4 (95%, whenever you look)" in said
    assert "differs for 25.0% of 80 creators, limit 50%" in said
    assert "more creators shows it better" in said
    told = json.loads(project.run("status --json"))[0]
    assert told["evidence"]["quality"] == {"down": 4, "same": 54, "up": 12}
    assert not told["tests"]["better"]["decides"]
    trials.keep_evidence(project.folder, "topic", Evidence(quality=Tally(1, 3, 1)))
    assert "feedback on clips of at least 25 more creators" in project.run("status")
    trials.keep_evidence(project.folder, "topic", Evidence(quality=Tally(10, 80, 10)))
    assert "nothing shows so far in which direction" in project.run("status")


def test_stop_promotes_or_rolls_back_by_hand(project):
    project.run("start topic")
    assert project.run("stop topic --rollback --reason slow") == "topic: rolled back, slow\n"
    project.run("start topic")
    said = project.run("stop topic --promote")
    assert "topic: promoted, by " in said
    assert f"The champion is {project.new.version} from now on." in said
    assert Bundle.load(project.root / "data/06_models/champions/topic").version == project.new.version


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("start topic --version 1", "1 is the champion already"),
        ("start topic --version third --run third", "--version and --run both name a model"),
        ("start topic --shadow --canary 5", "--shadow and --canary are two modes"),
        ("start topic --version other", "their answers cannot be compared. Allowed: a model of the same classes"),
        ("start topic --version nothing", "no model is called 'nothing'"),
        ("start sport", "a rollout needs a champion that is served"),
        ("status sport", "sport: there was no rollout. Rollouts: none"),
        ("percent topic 10", "topic: no rollout runs. Rollouts that run: none"),
        ("stop topic --promote", "topic: no rollout runs"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(project, line, words):
    said = project.run(line, fails=True)
    assert words in said
    assert "Traceback" not in said
    assert project.state is None


def test_a_second_start_and_a_wrong_percentage_change_nothing(project):
    project.run("start topic")
    before = project.state
    assert f"topic: a rollout of {project.new.version} runs since" in project.run("start topic --run third", fails=True)
    assert "percent=101: give a number above 0 and at most 100" in project.run("percent topic 101", fails=True)
    assert project.state == before


def test_without_a_rollout_status_says_how_to_start_one(project):
    assert project.run("status") == "no rollout yet: `kedro rollout start CAPABILITY`\n"


def test_status_loads_nothing_heavy():
    code = (
        "import sys, types; from click.testing import CliRunner; from cu_pipeline.cli import rollout;"
        "done = CliRunner().invoke(rollout, ['status'], obj=types.SimpleNamespace(project_path='.'));"
        "assert done.exit_code == 0, done.output;"
        "print(sorted({'mlflow', 'torch', 'pandas', 'evidently', 'bentoml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
