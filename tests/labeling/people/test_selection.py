import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.records import CLIPS, table
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import build
from cu_pipeline.labeling.people.options import QueueOptions
from cu_pipeline.labeling.people.probe import openness, probe_uncertainty
from cu_pipeline.labeling.people.selection import STRATEGIES, Pool
from cu_pipeline.labeling.people.vectors import WIDTH, clip_vectors, stored_vectors


def pool(uncertainty, vectors=None, units=None, asked=None, copies=None) -> Pool:
    """Clips that have nothing in common unless it is said."""
    number = len(uncertainty)
    return Pool(
        vectors=np.eye(number) if vectors is None else np.array(vectors, dtype=float),
        uncertainty=np.array(uncertainty, dtype=float),
        units=np.arange(number) if units is None else np.array(units),
        asked=np.zeros(number, dtype=np.int64) if asked is None else np.array(asked),
        copies=np.arange(number) if copies is None else np.array(copies),
    )


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_chooses_each_clip_once_and_none_of_which_all_is_known(name) -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(30, 4))
    unsure = np.where(np.arange(30) % 3 == 0, 0, random.random(30))
    clips = pool(unsure, vectors, units=np.arange(30) // 5, copies=np.arange(30) // 2)
    found = STRATEGIES[name](clips, 100, (1, 2))
    assert sorted(found) == [place for place in range(30) if place % 3 and place not in {1, 2}]
    assert found == STRATEGIES[name](clips, 100, (1, 2))
    assert STRATEGIES[name](clips, 5, (1, 2)) == found[:5]


@pytest.mark.parametrize("name", STRATEGIES)
def test_no_clips_and_clips_of_which_nothing_is_known_make_no_trouble(name) -> None:
    assert STRATEGIES[name](pool([]), 3, ()) == []
    assert len(STRATEGIES[name](pool([1, 1, 1], vectors=np.zeros((3, 0))), 2, ())) == 2


def test_the_default_passes_over_a_creator_that_was_asked_about_often() -> None:
    clips = pool([0.9, 0.8, 0.7], asked=[8, 0, 0])
    assert STRATEGIES[QueueOptions().strategy](clips, 3, ()) == [1, 2, 0]
    assert STRATEGIES["uncertainty"](clips, 3, ()) == [0, 1, 2]


def test_ten_clips_of_one_creator_are_not_chosen_before_others_that_are_about_as_unsure() -> None:
    clips = pool([0.9] * 10 + [0.6] * 10, units=[0] * 10 + list(range(1, 11)))
    first = STRATEGIES["combined"](clips, 10, ())
    assert sum(place < 10 for place in first) <= 3


def test_near_duplicates_come_last_also_at_the_start() -> None:
    for unsure in ([1, 1, 1, 1], [0.9, 0.8, 0.3, 0.2]):
        found = STRATEGIES["combined"](pool(unsure, copies=[0, 0, 1, 2]), 4, ())
        assert found[-1] == 1


def test_at_the_start_outliers_are_not_sought_but_what_is_alike_waits() -> None:
    """Two clips are all but equal, and the last one is a right angle away from all others."""
    vectors = [[1, 0, 0], [1, 0.05, 0], [0.6, 0.8, 0], [0, 0, 1]]
    found = STRATEGIES["combined"](pool([1, 1, 1, 1], vectors), 4, ())
    assert found[0] == 0
    assert found[-1] == 1
    assert STRATEGIES["diversity"](pool([1, 1, 1, 1], vectors), 2, ()) == [0, 3]


def test_clips_that_are_asked_about_anyway_count_as_chosen() -> None:
    clips = pool([0.5, 0.5, 0.49], vectors=[[1, 0], [1, 0], [0, 1]], units=[0, 0, 1])
    assert STRATEGIES["combined"](clips, 1, [0]) == [2]


def test_the_probe_is_unsure_between_what_people_told_apart() -> None:
    learned = np.array([[-1.0], [-0.9], [0.9], [1.0]])
    targets = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]]
    unsure = probe_uncertainty(learned, targets, np.array([[-1.0], [0.0], [1.0]]), Kind.SINGLE)
    assert unsure is not None
    assert unsure[1] > 0.9 > max(unsure[0], unsure[2])


def test_of_one_class_or_of_no_label_nothing_is_learned() -> None:
    one = np.eye(2, dtype=np.float32)[[0, 0]]
    assert probe_uncertainty(np.ones((2, 3)), one, np.ones((1, 3)), Kind.SINGLE) is None
    assert probe_uncertainty(np.ones((0, 3)), one[:0], np.ones((1, 3)), Kind.SINGLE) is None


def test_openness_is_one_where_answers_are_even_and_zero_where_one_is_certain() -> None:
    assert openness(np.array([[0.5, 0.5, 0], [1, 0, 0], [0.6, 0.2, 0.2]]), Kind.SINGLE) == pytest.approx([1, 0, 0.6])
    assert openness(np.array([[0.5, 0], [1, 0], [0.1, 0.7]]), Kind.MULTI) == pytest.approx([1, 0, 0.6])


def test_vectors_of_captions_are_alike_where_they_share_words_and_bounded_in_width() -> None:
    vectors = clip_vectors(["pasta recipe", "pasta recipe now", "dog in the park", ""])
    products = vectors @ vectors.T
    assert products[0, 1] > 0.5 > abs(products[0, 2])
    assert not vectors[3].any()
    many = clip_vectors([f"word{place} word{place + 1} word{place // 2}" for place in range(300)])
    assert many.shape == (300, WIDTH)
    assert clip_vectors([]).shape[0] == 0


def test_a_strategy_that_is_unknown_is_named_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"'best' is unknown: choose one of combined, uncertainty, diversity"):
        QueueOptions(strategy="best")


def test_features_that_are_not_stored_are_left_out_and_those_of_some_clips_are_zero_for_others(tmp_path) -> None:
    store, extractor = FeatureStore(tmp_path), build("captions", {})
    rows = [{"clip_id": name, "text": name, "media_sha256": "", "text_sha256": name, "bytes": 0} for name in "ab"]
    clips = table(pd.DataFrame(rows).assign(has_audio=False), CLIPS)
    assert not stored_vectors(clips, store, [extractor]).features
    store.append(extractor.identity, ["a"], np.ones((1, *extractor.identity.shape), dtype=np.float32))
    found = stored_vectors(clips, store, [extractor])
    assert found["captions"].present.tolist() == [True, False]
    assert clip_vectors(["a", "b"], found).shape[0] == 2
