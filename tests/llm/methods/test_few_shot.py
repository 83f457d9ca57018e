from collections import Counter

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from cu_pipeline.core.capability import Capability, Kind, split_label
from cu_pipeline.llm.methods.few_shot import Pool, examples_for, fixed_examples, nearest_examples, training_pool
from cu_pipeline.llm.methods.recipe import Example, Recipe
from cu_pipeline.llm.prompts.task import Task

POOL = Pool(
    tuple(
        Example(text=text, label=label)
        for text, label in (
            ("my cat sleeps", "pets"),
            ("the dog and the cat", "pets"),
            ("a puppy barks", "pets"),
            ("frying an egg", "cooking"),
            ("soup in a pot", "cooking"),
            ("goal in the last minute", "football"),
        )
    )
)


@settings(max_examples=30)
@given(st.integers(1, 8), st.text(max_size=3))
def test_fixed_examples_are_spread_over_the_classes(shots: int, salt: str) -> None:
    chosen = fixed_examples(POOL, shots, salt)
    assert len(chosen) == len(set(chosen)) == min(shots, len(POOL))
    assert fixed_examples(POOL, shots, salt) == chosen
    counts = Counter(one.label for one in chosen)
    available = Counter(one.label for one in POOL.examples)
    assert all(counts[one] >= min(available[one], max(counts.values()) - 1) for one in available)


def test_nearest_examples_are_alike_and_the_most_alike_comes_last() -> None:
    cat, egg = nearest_examples(POOL, ["a cat that sleeps", "how to fry eggs"], 2)
    assert [one.text for one in cat] == ["the dog and the cat", "my cat sleeps"]
    assert egg[-1].text == "frying an egg"


def test_without_labelled_captions_there_are_no_examples() -> None:
    assert nearest_examples(Pool(), ["a"], 3) == [()]
    assert fixed_examples(Pool(), 3) == ()


def test_orders_are_permutations_and_the_first_is_the_recipes_own() -> None:
    recipe = Recipe(prompt="p", template="", method="few_shot", examples=fixed_examples(POOL, 5), shots=5)
    orders = [examples_for(recipe, ["x", "y"], POOL, order) for order in range(4)]
    assert orders[0] == [recipe.examples] * 2
    assert len({shown[0] for shown in orders}) > 1
    assert all(sorted(shown[0], key=str) == sorted(recipe.examples, key=str) for shown in orders)


def test_methods_without_examples_show_none() -> None:
    recipe = Recipe(prompt="p", template="", method="score_batch", examples=fixed_examples(POOL, 2))
    assert examples_for(recipe, ["x"], POOL) == [()]


@settings(max_examples=30)
@given(st.integers(1, 12), st.text(max_size=3))
def test_examples_of_several_classes_count_for_each_and_none_is_one_more(shots: int, salt: str) -> None:
    labels = ["none"] * 30 + ["advert"] * 20 + ["advert|violence"] * 4 + ["violence"] * 4
    pool = Pool(tuple(Example(text=f"{place}", label=label) for place, label in enumerate(labels)), Kind.MULTI)
    chosen = fixed_examples(pool, shots, salt)
    assert len(chosen) == len(set(chosen)) == shots
    counts = Counter(name for one in chosen for name in split_label(one.label, Kind.MULTI) or ("none",))
    shown = [counts[name] for name in ("none", "advert", "violence")]
    assert max(shown) - min(shown) <= 2
    if shots >= 3:
        assert min(shown) >= 1


def test_examples_come_from_training_clips_alone() -> None:
    rows = [(split, f"a clip for {split}", "pets") for split in ("train", "validation", "test", "left_out")]
    captions = pd.DataFrame(rows, columns=["split", "text", "label"])
    task = Task("topic", Capability(classes=("pets", "cooking")), "", (), 100)
    assert [one.text for one in training_pool(captions, task).examples] == ["a clip for train"]
