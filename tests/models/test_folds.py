import numpy as np
import pandas as pd
import pytest

from cu_pipeline.models.folds import grouped_folds, sample_of_units, whole_units


def test_groups_stay_whole_and_each_clip_is_unseen_once():
    random = np.random.default_rng(0)
    groups, truth = random.integers(0, 20, 100), np.eye(2, dtype=bool)[random.integers(0, 2, 100)]
    folds = grouped_folds(groups, truth, 5, 0)
    assert len(folds) == 5
    assert sorted(np.concatenate([fold.unseen for fold in folds])) == list(range(100))
    for fold in folds:
        assert not set(groups[fold.seen]) & set(groups[fold.unseen])


def test_answers_are_spread_evenly():
    truth = np.eye(2, dtype=bool)[(np.arange(100) < 20).astype(int)]
    folds = grouped_folds(np.arange(100), truth, 5, 0)
    assert {truth[fold.unseen, 1].sum() for fold in folds} == {4}


@pytest.mark.parametrize(("groups", "classes"), [([0, 0, 0, 0], [0, 1, 0, 1]), ([0, 1, 2, 3], [1, 1, 1, 1]), ([], [])])
def test_where_nothing_can_be_held_out_there_are_no_folds(groups, classes):
    truth = np.eye(2, dtype=bool)[np.array(classes, dtype=int)]
    assert grouped_folds(np.array(groups, dtype=int), truth, 5, 0) == []


def test_three_groups_give_three_folds():
    truth = np.eye(2, dtype=bool)[np.arange(9) % 2]
    assert len(grouped_folds(np.arange(9) // 3, truth, 5, 0)) == 3


def test_a_sample_has_whole_units_and_about_as_many_clips_as_wanted():
    units = np.random.default_rng(0).integers(0, 300, 1000)
    drawn = sample_of_units(units, 200, seed=1)
    assert 200 <= len(drawn) <= 200 + np.bincount(units).max()
    assert len(np.flatnonzero(np.isin(units, units[drawn]))) == len(drawn)
    assert (np.diff(drawn) > 0).all()
    assert sample_of_units(units, 200, seed=2).tolist() != drawn.tolist()
    assert sample_of_units(units, 1000, seed=1).tolist() == list(range(1000))


def test_where_all_answers_are_rare_units_are_divided_all_the_same():
    truth = np.array([[bool(number >> bit & 1) for bit in range(4)] for number in range(12)])
    folds = grouped_folds(np.arange(12) // 2, truth, 5, seed=0)
    assert sorted(np.concatenate([one.unseen for one in folds]).tolist()) == list(range(12))
    assert all(set(one.seen // 2).isdisjoint(one.unseen // 2) for one in folds)


def test_units_are_drawn_whole_and_stay_drawn_when_the_feed_grows():
    groups = pd.Series([f"creator{number // 4}" for number in range(400)])
    drawn = whole_units(groups, 100)
    assert len(drawn) == 100
    assert groups.iloc[drawn].value_counts().eq(4).all()
    grown = pd.concat([groups, pd.Series([f"new{number // 4}" for number in range(40)])], ignore_index=True)
    again = whole_units(grown, 100)
    assert len(np.intersect1d(drawn, again)) >= 80


def test_where_no_unit_has_room_the_first_clips_are_drawn():
    assert whole_units(pd.Series(["a"] * 9), 4).tolist() == [0, 1, 2, 3]
    assert whole_units(pd.Series([None, None], dtype=object), 1).tolist() == [0]
