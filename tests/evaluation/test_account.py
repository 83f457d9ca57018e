"""What earlier tests on the same clips leave for the next one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.evaluation.account import Account, GateTest, level, spent

ALPHA = 0.05


def entered(sets, capability="topic"):
    """Enter a test of a new challenger on each set of clips, every clip a unit; give the entries."""
    entries = []
    for number, keys in enumerate(sets):
        account = Account(capability, entries)
        alpha = account.standing(keys, keys, ALPHA).alpha
        entries.append(account.enter((f"new{number}", "old"), (alpha, 0.5, 0.01), keys, len(keys)))
    return entries


def names(first, end):
    return [f"k{number:03}" for number in range(first, end)]


def test_fresh_clips_get_the_first_level_and_each_test_leaves_less():
    entries = entered([names(0, 10)] * 40)
    assert [one.alpha for one in entries[:3]] == pytest.approx([0.035, 0.0075, 0.0025])
    assert sum(one.alpha for one in entries) < ALPHA
    standing = Account("topic", entries).standing(names(0, 10), names(0, 10), ALPHA)
    assert (standing.tests, standing.made, standing.fresh) == (40, 40, 0)
    assert standing.spent == pytest.approx(sum(one.alpha for one in entries))


def test_clips_that_are_all_new_renew_the_account():
    assert [one.alpha for one in entered([names(0, 10), names(10, 20)])] == pytest.approx([0.035, 0.035])


def test_new_clips_renew_it_in_proportion():
    entries = entered([names(0, 10)])
    account = Account("topic", entries)
    levels = [account.standing(names(0, end), names(0, end), ALPHA).alpha for end in (10, 11, 15, 20, 1000)]
    assert levels == sorted(levels)
    assert levels[3] == pytest.approx((0.0075 + 0.035) / 2)
    assert levels[4] == pytest.approx(0.035, rel=0.01)


def test_a_new_clip_of_a_creator_who_was_tested_is_not_fresh():
    account = Account("topic", entered([["a", "b"]]))
    assert account.standing(["a", "b", "c", "d"], ["u", "v", "u", "v"], ALPHA).fresh == 0
    assert account.standing(["a", "b", "c", "d"], ["u", "v", "w", "x"], ALPHA).fresh == 0.5


def test_each_capability_has_an_account_of_its_own():
    entries = entered([names(0, 10)] * 3)
    assert Account("safety", entries).standing(names(0, 10), names(0, 10), ALPHA).made == 0


@given(st.lists(st.sets(st.integers(0, 12), min_size=1), min_size=1, max_size=12))
def test_whatever_clips_come_and_go_no_more_is_spent_than_alpha_for_each_clip(sets):
    """Levels weighted by clips: the bound on wrong promotions for each test set's worth of clips."""
    drawn = [[f"k{number}" for number in sorted(chosen)] for chosen in sets]
    entries = entered(drawn)
    assert sum(one.alpha * one.clips for one in entries) <= ALPHA * len(set().union(*sets)) + 1e-12


@given(st.floats(0, 50), st.floats(0, 50), st.floats(0, 1))
def test_levels_are_convex_and_fall(one, other, share):
    between = level(share * one + (1 - share) * other, ALPHA)
    assert between <= share * level(one, ALPHA) + (1 - share) * level(other, ALPHA) + 1e-15
    assert level(max(one, other), ALPHA) <= level(min(one, other), ALPHA)


@given(st.integers(1, 200))
def test_what_is_spent_is_the_sum_of_the_levels(tests):
    assert spent(tests, ALPHA) == pytest.approx(sum(level(before, ALPHA) for before in range(tests)))


def test_the_same_two_models_are_answered_from_the_account_until_many_clips_are_new():
    entries = entered([names(0, 20)])
    account = Account("topic", entries)
    assert account.answered("new0", "old", names(0, 20)) == entries[0]
    assert account.answered("new0", "old", names(2, 24)) == entries[0]
    assert account.answered("new0", "old", names(0, 25)) is None
    assert account.answered("new0", "other", names(0, 20)) is None
    assert account.answered("new1", "old", names(0, 20)) is None


def test_entries_name_only_what_has_changed_and_are_read_back():
    entries = entered([names(0, 10), names(0, 12), names(3, 12)])
    assert entries[1].added == ("k010", "k011")
    assert (entries[2].added, entries[2].dropped) == ((), ("k000", "k001", "k002"))
    again = [GateTest.from_json(json.loads(json.dumps(one.as_json()))) for one in entries]
    assert again == entries
    standing = Account("topic", again).standing(["k000", "k011"], ["k000", "k011"], ALPHA)
    assert standing.tests == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"alpha": None}, "alpha: Input should be a valid number"),
        ({"added": None}, "added: Input should be a valid tuple"),
        ({"added": [1]}, r"added\.0: Input should be a valid string"),
        ({"clips": "many"}, "clips: Input should be a valid integer"),
    ],
)
def test_an_entry_that_was_edited_wrongly_is_told(change, told):
    (entry,) = entered([names(0, 3)])
    with pytest.raises(ValueError, match=told):
        GateTest.from_json(entry.as_json() | change)
