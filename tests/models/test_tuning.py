"""The search for better parameters: the same trials however often it was stopped, and no work done twice."""

import math
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from cu_pipeline.core.errors import StoreError
from cu_pipeline.models.fusion import FusionOptions
from cu_pipeline.models.search_space import Dimension, SearchSpace
from cu_pipeline.models.tuning import Search, open_study
from cu_pipeline.models.tuning_plan import TuneOptions
from cu_pipeline.models.tuning_results import Comparison, best_of

SPACE = SearchSpace.of(
    "fusion",
    FusionOptions(dropout=0.5),
    {
        "learning_rate": Dimension(low=1e-4, high=1e-1, log=True),
        "dropout": Dimension(low=0.0, high=0.9),
        "layers": Dimension(choices=(1, 2, 4)),
    },
)
CHOICES = replace(SPACE, dimensions={"layers": Dimension(choices=(1, 2, 4)), "heads": Dimension(low=1, high=2)})


MANY = 14  # of which the first ten are random


@dataclass
class Bowl:
    """A loss that is known, and a list of what was measured."""

    count: int = 5
    measured: list[int] = field(default_factory=list)

    def loss(self, options: FusionOptions, fold: int) -> float:
        self.measured.append(fold)
        away = math.log10(options.learning_rate) + 2.5
        return away**2 + (options.dropout - 0.3) ** 2 + 0.1 * options.layers + 0.3 * fold * (1 + 0.1 * away)


def search(path, measure, trials, *, space=SPACE, pruning=0.2, minutes=60.0, seed=7, told=lambda _: None):
    with open_study(path, "study", pruning) as study:
        found = Search(study, space, measure, seed).run(TuneOptions(trials=trials, minutes=minutes), told)
    return [replace(one, seconds=0.0) for one in found]


def compare(path, measure, point, space=SPACE):
    with open_study(path, "study", 0.2) as study:
        return Search(study, space, Bowl(), 7).compare(point, measure)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Trials without interruption, and what was measured for them."""
    measure = Bowl()
    return search(tmp_path_factory.mktemp("whole") / "studies.db", measure, MANY), measure.measured


def test_it_finds_better_parameters_than_those_in_use(whole):
    trials, _ = whole
    assert trials[0].point == SPACE.place_of(SPACE.present)
    best = best_of(trials)
    assert best.loss < trials[0].loss - 0.3
    assert best.loss == pytest.approx(np.mean([Bowl().loss(SPACE.options(best.point), fold) for fold in range(5)]))


def test_a_trial_that_loses_fold_by_fold_is_stopped(whole, tmp_path):
    trials, measured = whole
    stopped = [one for one in trials if not one.complete]
    assert 0 < len(stopped) < MANY
    assert all(3 <= len(one.folds) < 5 and one.loss > best_of(trials).loss for one in stopped)
    assert len(measured) == sum(len(one.folds) for one in trials)
    assert all(one.complete for one in search(tmp_path / "studies.db", Bowl(), 8, pruning=0))


def test_resumed_trials_are_those_without_interruption(whole, tmp_path):
    path, told = tmp_path / "folder" / "studies.db", []
    first = search(path, Bowl(), 10)
    assert len(first) == 10
    measure = Bowl()
    assert search(path, measure, MANY, told=told.append) == whole[0]
    assert len(measure.measured) == sum(len(one.folds) for one in whole[0][10:])
    assert [one.number for one in told] == list(range(MANY))
    assert search(path, measure := Bowl(), MANY) == whole[0]
    assert measure.measured == []


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_tuning
class Deadly(test_tuning.Bowl):
    def loss(self, options, fold):
        if len(self.measured) == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().loss(options, fold)
test_tuning.search(Path(sys.argv[2]), Deadly(), test_tuning.MANY)
"""


@pytest.mark.parametrize("folds", [2, 43])
def test_killed_at_any_point_it_goes_on_as_if_nothing_had_happened(whole, tmp_path, folds):
    trials, measured = whole
    path = tmp_path / "studies.db"
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(path), str(folds)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -9
    measure = Bowl()
    assert search(path, measure, MANY) == trials
    assert len(measure.measured) == len(measured) - folds


def test_a_trial_that_raised_is_repeated(whole, tmp_path):
    class Failing(Bowl):
        def loss(self, options, fold):
            if len(self.measured) == 33:
                raise RuntimeError("out of memory")
            return super().loss(options, fold)

    with pytest.raises(RuntimeError, match="out of memory"):
        search(tmp_path / "studies.db", Failing(), MANY)
    assert search(tmp_path / "studies.db", Bowl(), MANY) == whole[0]


def test_no_time_left_stops_between_folds_and_the_next_run_goes_on(whole, tmp_path, monkeypatch):
    class Clock(Bowl):
        now = 0.0

        def loss(self, options, fold):
            self.now += 60
            return super().loss(options, fold)

    clock = Clock()
    monkeypatch.setattr("cu_pipeline.models.tuning.time.monotonic", lambda: clock.now)
    assert search(tmp_path / "studies.db", clock, MANY, minutes=12) == whole[0][:2]
    assert len(clock.measured) == 12
    assert search(tmp_path / "studies.db", measure := Bowl(), MANY, minutes=12) == whole[0]
    assert len(measure.measured) == len(whole[1]) - 12


def test_another_seed_gives_other_trials(whole, tmp_path):
    found = search(tmp_path / "studies.db", Bowl(), 2, seed=8)
    assert found[0] == whole[0][0]
    assert found[1] != whole[0][1]


def test_a_point_that_comes_again_is_not_measured_again(tmp_path):
    measure = Bowl()
    trials = search(tmp_path / "studies.db", measure, MANY, space=CHOICES)
    assert len(trials) == MANY
    assert len(measure.measured) <= 6 * 5


def test_parameters_outside_the_space_are_no_trial(tmp_path):
    space = replace(SPACE, present=FusionOptions(dropout=0.95))
    trials = search(tmp_path / "studies.db", Bowl(), 2, space=space)
    assert all(one.point["dropout"] <= 0.9 for one in trials)


def test_a_model_whose_scores_are_no_numbers_loses(tmp_path):
    class Diverging(Bowl):
        def loss(self, options, fold):
            return math.nan if options.learning_rate > 1e-3 else super().loss(options, fold)

    trials = search(tmp_path / "studies.db", Diverging(), 12)
    assert any(max(one.folds) == 1000 for one in trials)
    assert best_of(trials).point["learning_rate"] <= 1e-3


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / "studies.db").write_text("no database " * 500)
    with pytest.raises(StoreError, match=r"studies\.db cannot be used .* delete it, and tuning begins anew"):
        search(tmp_path / "studies.db", Bowl(), 1)


def test_the_best_is_held_against_what_is_in_use_once(tmp_path):
    anew, point = Bowl(count=4), {"learning_rate": 0.003162, "dropout": 0.3, "layers": 1}
    compared = compare(tmp_path / "studies.db", anew, point)
    assert compared.is_better
    assert compared.gain == pytest.approx(np.mean(np.subtract(compared.before, compared.after)))
    assert len(anew.measured) == 8
    assert compare(tmp_path / "studies.db", anew, point) == compared
    assert len(anew.measured) == 8
    itself = compare(tmp_path / "studies.db", anew, SPACE.place_of(SPACE.present))
    assert not itself.is_better
    assert itself.gain == 0


def test_one_standard_error_decides():
    compared = Comparison(before=(1.0, 2.0, 3.0), after=(0.0, 2.0, 2.5))
    assert compared.gain == pytest.approx(0.5)
    assert compared.error == pytest.approx(0.5 / math.sqrt(3))
    assert compared.is_better
    assert not Comparison(before=(1.0, 2.0), after=(0.0, 2.2)).is_better


def test_an_unknown_family_is_refused():
    with pytest.raises(ValidationError, match="there is no such model family; allowed: "):
        TuneOptions(family="linaer")
