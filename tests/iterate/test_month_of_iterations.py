"""What the loop does in a month in which drift is told every day, by simulation.

Iterations have the defaults: audits of 60 clips, 160 labels, of which 96 are tested on, $100 a month. Each bound is
held with two Monte Carlo standard errors; `nightly` runs have ten times as many months.
"""

import numpy as np
import pytest
from tests.iterate.loop_months import RICH, STYLE, loop_months, per_day
from tests.months import ACCURACY, DAYS

from cu_pipeline.drift.diagnosis import TRAINS
from cu_pipeline.evaluation import fresh_clips
from cu_pipeline.iterate.finding import UNKNOWN, FoundCause
from cu_pipeline.iterate.options import AuditOptions, IterateOptions

RUNS = pytest.mark.parametrize("runs", [50, pytest.param(500, marks=pytest.mark.nightly)])
MARGINS = pytest.mark.parametrize("margin", [0.0, 0.05])
KINDS = tuple(FoundCause(str(kind), str(kind)) for kind in sorted(TRAINS - {UNKNOWN}))
FALL = 0.1
CURED = ACCURACY - AuditOptions().worst_drop
LEARNED = ACCURACY - FALL + 0.07
MONTH_USD = IterateOptions().budget.month_usd


@pytest.fixture(autouse=True)
def _few_signs(monkeypatch):
    monkeypatch.setattr(fresh_clips, "FLIPS", 199)


def at_most(found, bound):
    """Hold a share of independent months against its bound, with two standard errors."""
    assert found.mean() <= bound + 2 * np.sqrt(bound * (1 - bound) / found.size), found.mean()


def usd(months):
    """What people were promised in each month."""
    return np.array([sum(line.committed_usd for line in one.lines) for one in months])


@MARGINS
@RUNS
def test_a_fit_champion_costs_a_quarter_of_the_budget_and_is_not_asked_about_every_day(runs, margin):
    """Nothing is wrong, and no challenger is better. Labels on four of 30 days on average."""
    months = loop_months(runs, 0.0, lambda _, serves: serves, margin=margin)
    spent, labels = usd(months), per_day(months, "labels")
    assert spent.mean() <= 0.3 * MONTH_USD + 2 * spent.std() / np.sqrt(runs)
    assert (labels > 0).sum(axis=1).mean() < 5
    assert spent.max() <= MONTH_USD
    assert per_day(months, "truth").min() == ACCURACY


@MARGINS
@RUNS
def test_a_fallen_champion_is_seldom_left_for_the_rest_of_the_month(runs, margin):
    """It fell by 10 points, of which training brings back 7. Trying ends with the fall there in at most one of ten."""
    months = loop_months(runs, FALL, lambda _, serves: max(LEARNED, serves), margin=margin)
    truth = per_day(months, "truth")
    at_most(truth[:, -1] < CURED, 0.1)
    found = np.where((truth >= CURED).any(axis=1), (truth >= CURED).argmax(axis=1) + 1, DAYS)
    assert np.median(found) <= 7
    assert usd(months).max() <= MONTH_USD


@RUNS
def test_what_replaced_a_fallen_champion_by_a_small_step_is_not_left_there(runs):
    """Each training brings back 3 points more, and is promoted within a margin of 5."""
    months = loop_months(runs, FALL, lambda _, serves: min(serves + 0.03, ACCURACY), margin=0.05)
    at_most(per_day(months, "truth")[:, -1] < CURED, 0.4)


@RUNS
def test_alarms_that_name_another_kind_each_day_cost_half_of_the_budget(runs):
    """The worst case of asking about what is new: nothing is wrong, and the monitor names all kinds in turn.

    Each kind is audited, and audits that are not sure lead to a training now and then.
    """
    alike, others = (loop_months(runs, 0.0, lambda _, serves: serves, causes=causes) for causes in ((STYLE,), KINDS))
    more, options = usd(others) - usd(alike), IterateOptions()
    each = (options.audit.clips + options.choose.max_clips) * RICH.clip_usd
    assert 0 < more.mean() <= (len(KINDS) - 1) * each
    spent = usd(others)
    assert spent.mean() <= 0.5 * MONTH_USD + 2 * spent.std() / np.sqrt(runs)
    assert spent.max() <= MONTH_USD


@RUNS
def test_where_trainings_stand_as_long_as_audits_a_fall_often_stays(runs):
    """The simulation is able to fail: this was the rule before."""
    lasting = IterateOptions(audit=AuditOptions(training_stands_days=90))
    months = loop_months(runs, FALL, lambda _, serves: max(LEARNED, serves), options=lasting)
    assert (per_day(months, "truth")[:, -1] < CURED).mean() > 0.15


def test_a_fall_that_nothing_cures_is_tried_again_within_the_money():
    months = loop_months(30, FALL, lambda _, serves: serves)
    assert usd(months).max() <= MONTH_USD
    assert np.mean([one.trainings for one in months]) > 3
    assert any(one.rests for one in months)
