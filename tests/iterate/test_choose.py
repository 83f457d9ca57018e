from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.iterate.choose import Candidates, choose, random_tests
from cu_pipeline.iterate.options import ChooseOptions
from cu_pipeline.labeling.people.requests import Purpose


def world(size: int = 300, seed: int = 1, units: int = 60) -> Candidates:
    rng = np.random.default_rng(seed)
    unit = rng.integers(units, size=size)
    vectors = rng.normal(size=(size, 8)).astype(np.float32)
    table = pd.DataFrame(
        {
            "clip_id": [f"c{place:03}" for place in range(size)],
            "unit": [f"creator:{one}" for one in unit],
            "split": np.array(["test", "train", "train", "validation", "left_out"])[unit % 5],
            "known": unit % 2 == 0,
            "uncertainty": rng.uniform(size=size),
            "drifted": rng.uniform(size=size) < 0.5,
            "answered": 0.0,
        }
    )
    return Candidates(table, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def chosen(found: Candidates, number: int = 60, iteration: str = "0001", **options: object) -> dict[Purpose, list[str]]:
    by_purpose: dict[Purpose, list[str]] = {}
    for one in choose(found, number, iteration, ChooseOptions.model_validate(options)):
        by_purpose.setdefault(one.purpose, []).append(one.clip_id)
    return by_purpose


@given(size=st.integers(0, 120), number=st.integers(1, 80), per_unit=st.integers(1, 5), seed=st.integers(0, 20))
def test_what_is_chosen_keeps_budget_units_and_splits(size: int, number: int, per_unit: int, seed: int) -> None:
    found = world(size, seed, units=15)
    requests = choose(found, number, "0001", ChooseOptions(per_unit=per_unit))
    names = [one.clip_id for one in requests]
    table = found.table.set_index("clip_id")
    assert len(names) == len(set(names)) <= number
    assert all(table.loc[one.clip_id, "split"] == "test" for one in requests if one.purpose is Purpose.TEST)
    assert all(
        table.loc[one.clip_id, "split"] in {"train", "validation"}
        for one in requests
        if one.purpose is not Purpose.TEST
    )
    assert max(Counter(table.loc[name, "unit"] for name in names).values(), default=0) <= per_unit


def test_the_shares_are_kept_and_missing_test_clips_leave_room_for_others() -> None:
    found = chosen(world(), 60, test_share=0.5, random_share=0.2)
    assert {one.value: len(names) for one, names in found.items()} == {"test": 30, "random": 6, "value": 24}
    few = world()
    few.table.loc[few.table["split"] == "test", "split"] = "train"
    assert Purpose.TEST not in chosen(few)
    assert sum(map(len, chosen(few).values())) == 60


def test_test_clips_are_a_uniform_sample_whatever_is_uncertain_or_drifted() -> None:
    found = world(600, units=200)
    drawn: Counter[str] = Counter()
    for turn in range(200):
        drawn.update(chosen(found, 60, f"{turn:04}")[Purpose.TEST])
    table = found.table.set_index("clip_id")
    tests = table[table["split"] == "test"]
    often = np.array([drawn[name] for name in tests.index])
    expected = 30 * 200 / len(tests)
    assert abs(often - expected).max() < 5 * np.sqrt(expected)
    assert abs(np.corrcoef(often, tests["uncertainty"])[0, 1]) < 0.3
    doubted = [table.loc[name, "uncertainty"] for name in chosen(found)[Purpose.VALUE]]
    assert np.mean(doubted) > 0.7 > tests["uncertainty"].mean()


def test_by_value_the_drifted_region_comes_first() -> None:
    table = world().table.set_index("clip_id")
    assert table.loc[chosen(world())[Purpose.VALUE], "drifted"].mean() > 0.9


def test_by_value_one_of_many_copies_is_enough() -> None:
    vectors = np.repeat(np.eye(6, dtype=np.float32), 20, axis=0)
    table = pd.DataFrame(
        {
            "clip_id": [f"c{place:03}" for place in range(120)],
            "unit": [f"u{place}" for place in range(120)],
            "split": "train",
            "known": True,
            "uncertainty": 0.9,
            "drifted": True,
            "answered": 0.0,
        }
    )
    found = chosen(Candidates(table, vectors), 6, test_share=0.0, random_share=0.0)
    assert sorted(int(name[1:]) // 20 for name in found[Purpose.VALUE]) == [0, 1, 2, 3, 4, 5]


def test_what_rules_answer_is_chosen_by_value_last_and_drawn_at_random_as_ever() -> None:
    found = world()
    ruled = np.arange(len(found.table)) % 2 == 0
    found.table["answered"] = ruled.astype(float)
    by_purpose = chosen(found, random_share=0.2)
    answered = found.table.set_index("clip_id")["answered"]
    assert answered[by_purpose[Purpose.VALUE]].sum() == 0
    assert by_purpose[Purpose.TEST] == chosen(world(), random_share=0.2)[Purpose.TEST]
    found.table["answered"] = np.where(ruled, 0.5, 0.0)
    assert 0 < (answered[chosen(found, random_share=0.2)[Purpose.VALUE]] > 0).mean() < 0.5, "one of two capabilities"


def test_the_same_iteration_chooses_the_same_and_another_draws_others() -> None:
    first, again, other = (chosen(world(), iteration=name)[Purpose.TEST] for name in ("0001", "0001", "0002"))
    assert first == again != other


@pytest.mark.parametrize("vectors", [np.zeros((300, 1), dtype=np.float32)])
def test_without_embeddings_uncertainty_alone_decides(vectors: np.ndarray) -> None:
    found = chosen(Candidates(world().table, vectors), test_share=0.0, random_share=0.0, per_unit=300)
    table = world().table
    table = table[table["split"].isin(["train", "validation"])].set_index("clip_id")
    worth = (table["uncertainty"] * np.where(table["drifted"], 1.0, 0.25)).sort_values(ascending=False)
    assert found[Purpose.VALUE] == worth.index[:60].tolist()


@given(size=st.integers(0, 120), number=st.integers(1, 80), per_unit=st.integers(1, 5), seed=st.integers(0, 20))
def test_where_models_are_cross_fitted_clips_of_units_that_the_data_lack_test_them_too(
    size: int, number: int, per_unit: int, seed: int
) -> None:
    found = world(size, seed, units=15)
    table = found.table.set_index("clip_id")
    requests = choose(found, number, "0001", ChooseOptions(per_unit=per_unit), cross_fitted=True)
    names = [one.clip_id for one in requests]
    assert len(names) == len(set(names)) <= number
    assert max(Counter(table.loc[name, "unit"] for name in names).values(), default=0) <= per_unit
    tests = table.loc[[one.clip_id for one in requests if one.purpose is Purpose.TEST]]
    assert ((tests["split"] == "test") | (tests["split"].isin(["train", "validation"]) & ~tests["known"])).all()


def test_clips_to_test_cross_fitted_models_on_are_a_uniform_sample_of_test_clips_and_of_new_units() -> None:
    found = world(600, units=200)
    table = found.table.set_index("clip_id")
    usable = (table["split"] == "test") | (~table["known"] & (table["split"] != "left_out"))
    drawn: Counter[str] = Counter()
    for turn in range(200):
        tests = random_tests(found, 60, f"{turn:04}", ChooseOptions(per_unit=60), cross_fitted=True)
        drawn.update(one.clip_id for one in tests)
    often = np.array([drawn[name] for name in table.index[usable]])
    expected = 60 * 200 / usable.sum()
    assert sum(drawn.values()) == often.sum() == 60 * 200
    assert abs(often - expected).max() < 5 * np.sqrt(expected)
