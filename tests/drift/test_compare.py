import json
import re
import time

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.drift.compare import DriftDecision, compare, summarise
from cu_pipeline.drift.options import DriftOptions
from cu_pipeline.drift.samples import ClipSample

CAPABILITIES = {"topic": Kind.SINGLE, "safety": Kind.MULTI}
TOPICS = ("cats", "dogs", "cars")
FLAGS = ("advert", "violence")
OPTIONS = DriftOptions(permutations=299)
PARTS = {"frames@1a": 8, "captions@2b": 4}


def clips(n, rng, split="train", shift=0.0, share=0.5, longer=0.0):
    """Draw clips; `shift` moves embeddings, `share` is that of the first topic, `longer` adds to durations."""
    rest = (1 - share) / 2
    topics, sure = rng.choice(3, n, p=[share, rest, rest]), rng.uniform(0.4, 1, n)
    topic = np.where(np.arange(3) == topics[:, None], sure[:, None], (1 - sure[:, None]) / 2)
    safety = rng.uniform(0, (1, 0.6), (n, 2))
    rows = zip(topics, topic.tolist(), safety.tolist(), strict=True)
    named = [(TOPICS[k], dict(zip(TOPICS, p, strict=True)), dict(zip(FLAGS, q, strict=True))) for k, p, q in rows]
    flags = ["|".join(name for name, p in q.items() if p > 0.5) or "none" for _, _, q in named]
    table = {
        "embedding": rng.normal(shift, 1, (n, 12)).tolist(),
        "parts": json.dumps(PARTS),
        "duration_s": np.round(rng.exponential(2, n) + longer, 1),
        "width": rng.choice([720.0, 1080.0, np.nan], n),
        "height": 1280.0,
        "fps": rng.choice([25.0, 30.0], n),
        "bytes": rng.integers(100_000, 1_000_000, n),
        "text_length": rng.poisson(4, n),
        "labels": [json.dumps({"topic": k, "safety": flag}) for (k, _, _), flag in zip(named, flags, strict=True)],
        "predictions": [json.dumps({"topic": p, "safety": q}) for _, p, q in named],
        "split": split,
    }
    return ClipSample(pd.DataFrame(table))


def world(seed, reference=(60, 30), current=40, **drift):
    """Draw a reference of train and validation clips, and current ones that may have drifted."""
    rng = np.random.default_rng(seed)
    sides = [clips(reference[0], rng), clips(reference[1], rng, "validation")]
    return ClipSample(pd.concat([side.table for side in sides], ignore_index=True)), clips(current, rng, **drift)


def run(seed, options=OPTIONS, **drift):
    reference, current = world(seed, **drift)
    return compare(reference, current, CAPABILITIES, options, seed)


@pytest.mark.slow
def test_false_alarms_stay_below_alpha_over_simulated_worlds_without_drift():
    runs, alpha = 120, 0.1
    options = OPTIONS.model_copy(update={"alpha": alpha})
    alarms = sum(run(seed, options).decision is DriftDecision.DRIFT for seed in range(runs))
    assert alarms / runs <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)
    assert alarms > 0, "a test that never raises has no power"


@pytest.mark.parametrize(
    ("drift", "test"),
    [
        ({"shift": 1.0}, "embedding_frames"),
        ({"longer": 2.0}, "duration_s"),
        ({"share": 0.05}, "label_topic"),
    ],
)
def test_real_drift_is_found_and_named(drift, test):
    found = [{item.name for item in run(seed, **drift).tests if item.drifted} for seed in range(10)]
    assert sum(test in names for names in found) >= 9


def test_equal_seeds_give_equal_results():
    assert run(3) == run(3)


def p_values(comparison):
    return [item.p_value for item in comparison.tests if 0.01 < item.p_value < 1]


def test_another_seed_draws_other_relabellings_and_the_statistics_stay():
    reference, current = world(3)
    first, other = (compare(reference, current, CAPABILITIES, OPTIONS, seed) for seed in (1, 2))
    assert p_values(first) != p_values(other)
    assert [item.statistic for item in first.tests] == [item.statistic for item in other.tests]


def test_a_large_sample_is_thinned_at_random_by_the_seed_and_from_all_of_it():
    reference, current = world(3)
    late = current.table.assign(duration_s=np.where(np.arange(40) < 20, 2.0, 900.0))
    options = OPTIONS.model_copy(update={"max_clips": 20})
    first, again, other = (compare(reference, ClipSample(late), CAPABILITIES, options, seed) for seed in (1, 1, 2))
    assert first == again
    effects = [{item.name: item.effect for item in one.tests} for one in (first, other)]
    assert effects[0] != effects[1]
    assert 0.2 < effects[0]["duration_s"] < 0.8


def test_a_test_drifts_by_its_adjusted_p_value_also_at_the_level_itself():
    results = run(3, shift=0.35).tests
    between = [item for item in results if 0.05 < item.p_adjusted < 1 and item.p_value < item.p_adjusted]
    assert between
    for item in between:
        for alpha, expected in ((item.p_adjusted, True), (item.p_adjusted - 1e-9, False)):
            options = OPTIONS.model_copy(update={"alpha": alpha})
            assert {one.name: one.drifted for one in run(3, options, shift=0.35).tests}[item.name] is expected


def test_as_many_clips_as_are_needed_are_enough():
    result = run(0, reference=(20, 20), current=20)
    assert {item.kind for item in result.tests} == {"fact", "embedding", "label", "confidence"}
    assert result.skipped == {}
    assert set(run(0, reference=(20, 19), current=20).skipped) == {"predictions"}


def test_inputs_are_held_against_training_clips_and_predictions_against_validation_clips():
    rng = np.random.default_rng(0)
    same, longer = clips(60, rng), clips(60, rng, "validation", longer=50.0, share=0.02)
    reference = ClipSample(pd.concat([same.table, longer.table], ignore_index=True))
    found = {item.name: item for item in compare(reference, clips(60, rng), CAPABILITIES, OPTIONS, 0).tests}
    assert not found["duration_s"].drifted
    assert found["label_topic"].drifted
    assert re.fullmatch(r"largest change: cats [0-9]% → [45]\d%", found["label_topic"].in_words)


def test_too_few_current_clips_are_not_tested():
    result = run(0, current=18)
    assert result.decision is DriftDecision.NOT_ENOUGH_DATA
    assert result.missing == 2
    assert result.tests == []
    assert "2 more" in summarise(result, 18, OPTIONS)


def test_a_reference_that_is_too_small_for_predictions_leaves_only_those_out():
    result = run(0, reference=(60, 5))
    assert {item.kind for item in result.tests} == {"fact", "embedding"}
    assert "5 clips of validation" in result.skipped["predictions"]
    assert "Left out: predictions" in summarise(result, 40, OPTIONS)


def test_no_usable_reference_is_not_called_no_drift():
    result = run(0, reference=(5, 5))
    assert result.decision is DriftDecision.NOT_ENOUGH_DATA
    assert "reference is too small" in summarise(result, 40, OPTIONS)


def test_a_constant_fact_costs_the_other_tests_nothing():
    tests = {item.name: item for item in run(0).tests}
    assert tests["height"].p_value == tests["height"].p_adjusted == 1.0
    free = [item for item in tests.values() if item.name != "height"]
    smallest = min(free, key=lambda item: item.p_value)
    assert smallest.p_adjusted == pytest.approx(min(1.0, len(free) * smallest.p_value))


def test_too_few_permutations_for_the_level_are_refused():
    options = OPTIONS.model_copy(update={"permutations": 99, "alpha": 0.01})
    with pytest.raises(ConfigurationError, match="set it to 1100 or more"):
        run(0, options)


def embeddings_tested(reference, current):
    result = compare(reference, current, CAPABILITIES, OPTIONS, 0)
    return [item.name for item in result.tests if item.kind == "embedding"], result.skipped


def test_only_the_parts_that_both_sides_have_are_compared():
    reference, current = world(0)
    current.table["parts"] = json.dumps({"frames@3c": 8, "captions@2b": 4})
    names, skipped = embeddings_tested(reference, current)
    assert names == ["embedding_captions"]
    assert set(skipped) == {"embedding_frames@1a", "embedding_frames@3c"}


def test_parts_are_found_wherever_they_lie():
    reference, current = world(0, shift=1.0)
    turned = [[*row[8:], *row[:8]] for row in current.table["embedding"]]
    moved = ClipSample(current.table.assign(embedding=turned, parts=json.dumps({"captions@2b": 4, "frames@1a": 8})))
    assert compare(reference, moved, CAPABILITIES, OPTIONS, 0) == compare(reference, current, CAPABILITIES, OPTIONS, 0)


def test_records_that_do_not_tell_their_parts_have_those_of_the_others():
    reference, current = world(0)
    told = current.table["parts"].where(current.table.index % 2 == 0, "{}")
    for silent in ("{}", told):
        other = ClipSample(current.table.assign(parts=silent))
        assert embeddings_tested(reference, other) == (["embedding_frames", "embedding_captions"], {})


def test_two_features_of_one_extractor_are_told_apart():
    reference, current = world(0)
    for side in (reference, current):
        side.table["parts"] = json.dumps({"frames@1a": 8, "frames@3c": 4})
    assert embeddings_tested(reference, current)[0] == ["embedding_frames@1a", "embedding_frames@3c"]


def test_an_unknown_fact_is_refused():
    options = OPTIONS.model_copy(update={"facts": ("colour",)})
    with pytest.raises(ConfigurationError, match="'colour'"):
        run(0, options)


def test_a_group_column_reaches_the_tests():
    reference, current = world(0, shift=1.0)
    sides = []
    for name, side in (("before", reference), ("now", current)):
        table = side.table.assign(group=[f"{name}-{number * 3 // len(side)}" for number in range(len(side))])
        sides.append(ClipSample(table))
    ungrouped = compare(reference, current, CAPABILITIES, OPTIONS, 0)
    grouped = compare(*sides, CAPABILITIES, OPTIONS, 0)
    assert ungrouped.decision is DriftDecision.DRIFT
    assert grouped.decision is DriftDecision.NO_DRIFT, "three creators a side prove nothing"


def test_the_default_size_takes_under_three_seconds():
    rng = np.random.default_rng(0)
    reference, current = world(0, reference=(170, 36))
    for side in (reference, current):
        side.table["embedding"] = list(rng.normal(size=(len(side), 1664)).astype(np.float32))
        side.table["parts"] = json.dumps({"frames@1a": 1280, "captions@2b": 384})
    started = time.process_time()
    compare(reference, current, CAPABILITIES, DriftOptions(), 0)
    assert time.process_time() - started < 3


def test_as_many_permutations_as_the_level_needs_are_enough_and_one_less_is_refused():
    """11 tests at 5 % can show drift from 1 / 220 on; the constant height is none of them."""
    enough = OPTIONS.model_copy(update={"permutations": 219})
    assert run(0, enough, shift=3.0).decision is DriftDecision.DRIFT
    with pytest.raises(ConfigurationError, match="among 11 tests: set it to 220 or more"):
        run(0, enough.model_copy(update={"permutations": 218}), shift=3.0)


def told(topics, durations, **fields):
    """Clips with these topics, each predicted with probability 0.7, and durations."""
    table = clips(len(topics), np.random.default_rng(0)).table
    safety = {"advert": 0.9, "violence": 0.2}
    answers = [{"topic": {name: 0.7 if name == one else 0.15 for name in TOPICS}, "safety": safety} for one in topics]
    labels = [json.dumps({"topic": one, "safety": "advert"}) for one in topics]
    columns = {"predictions": list(map(json.dumps, answers)), "labels": labels, "duration_s": durations}
    return ClipSample(table.assign(**columns | fields))


def test_what_changed_is_told_from_the_reference_to_now():
    before = told(["cats"] * 15 + ["dogs"] * 5, [2.0] * 19 + [50.0], split="validation")
    now = told(["cats"] * 5 + ["dogs"] * 15, [3.5] * 19 + [np.nan])
    options = OPTIONS.model_copy(update={"reference_splits": ("validation",)})
    found = {item.name: item for item in compare(before, now, CAPABILITIES, options, 0).tests}
    assert found["duration_s"].in_words == "median 2 → 3.5"
    assert found["label_topic"].in_words == "largest change: cats 75% → 25%"
    assert found["label_topic"].effect == pytest.approx(0.5)


def test_sureness_is_the_likeliest_class_or_the_mean_over_classes_of_the_likelier_answer():
    sample = told(["cats", "dogs"], [1.0, 2.0])
    assert sample.confidence("topic", Kind.SINGLE) == pytest.approx([0.7, 0.7])
    assert sample.confidence("safety", Kind.MULTI) == pytest.approx([(0.9 + 0.8) / 2] * 2)


def without(sample, rows, capability):
    """Give a sample in which a capability does not apply to some of the clips."""
    table = sample.table.reset_index(drop=True)
    for column in ("labels", "predictions"):
        values = [
            {name: value for name, value in json.loads(row).items() if name != capability} for row in table[column]
        ]
        table[column] = table[column].where(~table.index.isin(rows), [json.dumps(value) for value in values])
    return ClipSample(table)


def test_a_capability_is_compared_on_the_clips_that_it_applies_to():
    reference, current = world(3, reference=(60, 60), current=60, share=0.95)
    outside = range(0, 60, 2)
    whole = {one.name: one for one in compare(reference, current, CAPABILITIES, OPTIONS, 3).tests}
    partly = compare(
        without(reference, range(60, 90), "topic"), without(current, outside, "topic"), CAPABILITIES, OPTIONS, 3
    )
    tests = {one.name: one for one in partly.tests}
    assert set(tests) == set(whole)
    assert tests["label_topic"].drifted
    assert tests["label_safety"].p_value == whole["label_safety"].p_value
    assert tests["width"].p_value == whole["width"].p_value


def test_a_capability_that_applies_to_too_few_clips_is_left_out_and_says_so():
    reference, current = world(3, reference=(60, 60), current=60)
    few = compare(reference, without(current, range(55), "topic"), CAPABILITIES, OPTIONS, 3)
    assert few.skipped["predictions of topic"] == "it applies to 5 clips of the service; 20 are needed"
    assert "label_safety" in {one.name for one in few.tests}
