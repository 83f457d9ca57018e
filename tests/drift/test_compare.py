import json
import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from tests.drift.worlds import CAPABILITIES, NOON, OPTIONS, clips, joined, look, world

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.drift.compare import DriftDecision, compare
from cu_pipeline.drift.looks import Look
from cu_pipeline.drift.options import DriftOptions, LeastEffects, WindowOptions
from cu_pipeline.drift.samples import ClipSample
from cu_pipeline.drift.words import summarise


def run(seed, options=OPTIONS, level=0.05, **drift):
    reference, current = world(seed, **drift)
    return compared(reference, current, options, level)


def compared(reference, current, options=OPTIONS, level=0.05, seed=0):
    return compare(dict.fromkeys(CAPABILITIES, reference), current, CAPABILITIES, options, seed, look(level))


def by_name(comparison, window="latest"):
    return {one.name: one for one in comparison.tests if one.window == window}


@pytest.fixture(scope="module")
def calm():
    return run(3)


@pytest.mark.parametrize("runs", [30, pytest.param(400, marks=pytest.mark.nightly)])
def test_false_alarms_stay_below_alpha_though_creators_are_new(runs):
    """Creators' clips are alike; in every second world half of the current creators are known."""
    alpha = 0.1
    found = [run(seed, level=alpha, known=30 * (seed % 2)).decision for seed in range(runs)]
    alarms = found.count(DriftDecision.DRIFT)
    assert alarms / runs <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)
    assert found.count(DriftDecision.NO_DRIFT) == runs - alarms


@pytest.mark.parametrize(
    ("drift", "test", "words"),
    [
        ({"shift": 0.8}, "embedding_frames", "distance of the means"),
        ({"new": 0.15}, "novelty_frames", "far from all"),
        ({"longer": 2.0}, "fact_duration_s", "median"),
        ({"share": 0.05}, "label_topic", "largest change: cats"),
        ({"empty": 0.2}, "missing_caption", "without caption: 0% → 2"),
    ],
)
def test_real_drift_is_found_and_named(drift, test, words):
    found = [by_name(run(seed, current=200, **drift)) for seed in range(4)]
    assert sum(one[test].drifted for one in found) >= 3
    assert words in found[0][test].in_words


def test_a_shift_inside_known_creators_is_found():
    assert by_name(run(1, known=60, longer=2.0))["fact_duration_s"].drifted


def test_novel_clips_are_named_and_only_the_latest():
    reference, current = world(1, current=200)
    strange = clips(np.random.default_rng(5), 20, np.arange(900, 920), new=1.0)
    ids = [f"strange {number}" for number in range(20)]
    later = [NOON + timedelta(days=1)] * 20
    table = joined(current, ClipSample(strange.table.assign(time=later))).table
    table["request_id"] = [*(f"usual {number}" for number in range(200)), *ids]
    found = compared(reference, ClipSample(table))
    assert set(found.novel["frames"][:20]) == set(ids)
    assert len(found.novel["frames"]) < 50
    assert set(found.novel) == {"frames", "captions"}


def test_equal_seeds_give_equal_results(calm):
    assert run(3) == calm


def test_another_seed_draws_other_relabellings_and_the_statistics_stay():
    rng = np.random.default_rng(0)
    sides = joined(clips(rng, 60), clips(rng, 60, split="validation")), clips(rng, 60)
    first, other = (compared(*sides, seed=seed).tests for seed in (0, 1))
    assert [one.p_value for one in first] != [one.p_value for one in other]
    assert [one.statistic for one in first] == [one.statistic for one in other]


def test_drift_takes_the_level_of_the_look_and_an_effect_that_counts():
    reference, current = world(1, current=200, longer=2.0)
    sure = by_name(compared(reference, current))["fact_duration_s"]
    assert sure.drifted
    assert sure.effect_low < sure.effect < sure.effect_high
    strict = by_name(compared(reference, current, level=sure.p_adjusted / 100))["fact_duration_s"]
    assert not strict.drifted
    options = OPTIONS.model_copy(update={"least_effects": LeastEffects(fact=sure.effect + 0.01)})
    small = by_name(compared(reference, current, options))["fact_duration_s"]
    assert (small.drifted, small.p_value, small.least_effect) == (False, sure.p_value, sure.effect + 0.01)


def test_a_small_level_gets_more_relabellings_where_they_matter():
    reference, current = world(1, current=200, longer=2.0)
    found = by_name(compared(reference, current, level=0.001))
    assert found["fact_duration_s"].p_value < 1 / 300
    assert found["fact_duration_s"].drifted
    assert found["fact_bytes"].p_value >= 1 / 300


def test_all_kinds_of_tests_are_made(calm):
    assert {one.kind for one in calm.tests} == {"fact", "missing", "embedding", "novelty", "label", "confidence"}
    assert {one.window for one in calm.tests} == {"latest"}
    assert set(calm.skipped) == {"screen_text", "missing_sound", "language", "abstained_topic", "abstained_safety"}
    assert calm.skipped["language"] == "the reference and the service do not tell any"


def test_inputs_are_held_against_training_clips_and_predictions_against_validation_clips():
    rng = np.random.default_rng(0)
    same, longer = clips(rng, 80), clips(rng, 80, split="validation", longer=50.0, share=0.02)
    found = by_name(compared(joined(same, longer), clips(rng, 80)))
    assert not found["fact_duration_s"].drifted
    assert found["label_topic"].drifted


def test_a_shift_in_the_latest_clips_is_seen_however_long_the_log_is():
    reference, before = world(1, current=900)
    late = clips(np.random.default_rng(8), 100, np.arange(700, 760), longer=3.0).table
    late["time"] += timedelta(days=2)
    options = OPTIONS.model_copy(update={"windows": WindowOptions(clips=100)})
    found = compared(reference, joined(before, ClipSample(late)), options)
    assert by_name(found)["fact_duration_s"].drifted
    assert [(one.name, one.clips, one.units <= 60) for one in found.windows] == [
        ("latest", 100, True),
        ("since_decision", 1000, False),
    ]


def test_since_the_last_drift_only_what_came_later_counts():
    reference, current = world(1, current=400)
    options = OPTIONS.model_copy(update={"windows": WindowOptions(clips=100)})
    told = Look("earlier", NOON + timedelta(minutes=99), 0.01, decision="drift")
    this = Look("now", NOON + timedelta(minutes=399), 0.05)
    references = dict.fromkeys(CAPABILITIES, reference)
    found = compare(references, current, CAPABILITIES, options, 0, this, [told])
    assert [one.clips for one in found.windows] == [100, 300]
    found = compare(references, current, CAPABILITIES, options, 0, this, [replace(told, decision="no_drift")])
    assert [one.clips for one in found.windows] == [100, 400]


def test_too_few_current_clips_are_not_tested():
    result = run(0, current=18)
    assert (result.decision, result.missing, result.tests) == (DriftDecision.NOT_ENOUGH_DATA, 2, [])
    assert "2 more" in summarise(result, OPTIONS)


def test_clips_of_few_creators_are_not_tested():
    reference, _ = world(0)
    few = clips(np.random.default_rng(0), 100, np.arange(500, 509), shift=5.0)
    result = compared(reference, few)
    assert (result.decision, result.tests) == (DriftDecision.NOT_ENOUGH_DATA, [])
    assert "9 creators or contents, which count as one each; 10 are needed" in summarise(result, OPTIONS)


def test_a_reference_that_is_too_small_for_predictions_leaves_only_those_out():
    result = run(0, reference=(60, 5))
    assert {one.kind for one in result.tests} == {"fact", "missing", "embedding", "novelty"}
    assert "5 clips of validation" in result.skipped["predictions"]
    told = summarise(result, OPTIONS)
    assert "; likewise predictions, since the reference has 5 clips of validation" in told
    assert told.count("Left out") == 1
    of_one = replace(result, skipped={"missing_captions_topic": "too few"})
    assert "Left out: missing captions (for topic), since too few." in summarise(of_one, OPTIONS, ["topic"])


def test_no_usable_reference_is_not_called_no_drift():
    result = run(0, reference=(5, 5))
    assert result.decision is DriftDecision.NOT_ENOUGH_DATA
    assert "nothing can be tested" in summarise(result, OPTIONS)


def test_a_constant_fact_costs_the_other_tests_nothing(calm):
    found = by_name(calm)
    assert found["fact_height"].p_value == found["fact_height"].p_adjusted == 1.0
    free = [one for one in found.values() if one.statistic > 0 or one.kind == "confidence"]  # 0 within its margin
    smallest = min(free, key=lambda one: one.p_value)
    assert smallest.p_adjusted == pytest.approx(min(1.0, len(free) * smallest.p_value))


def test_capabilities_are_compared_with_what_their_own_models_learned_from():
    reference, current = world(1, current=200)
    rng = np.random.default_rng(3)
    other = joined(clips(rng, 120, longer=5.0), clips(rng, 100, split="validation", share=0.02))
    found = by_name(
        compare({"topic": other, "safety": reference}, current, CAPABILITIES, OPTIONS, 0, look())  # two sets of clips
    )
    assert found["fact_duration_s_topic"].drifted
    assert not found["fact_duration_s_safety"].drifted
    assert found["label_topic"].drifted
    assert not found["label_safety"].drifted
    assert "fact_duration_s" not in found


def embeddings_tested(reference, current):
    result = compared(reference, current)
    return [one.name for one in result.tests if one.kind == "embedding"], result.skipped


def test_only_the_parts_that_both_sides_have_are_compared():
    reference, current = world(0)
    current.table["parts"] = json.dumps({"frames@3c": 8, "captions@2b": 4})
    names, skipped = embeddings_tested(reference, current)
    assert names == ["embedding_captions"]
    assert {name for name in skipped if name.startswith("embedding")} == {"embedding_frames"}


def test_how_far_below_any_use_models_put_a_class_is_no_drift():
    """Models of other folds say of the reference what another one says of the traffic."""

    def with_rare(sample, probability):
        rows = [json.loads(row) for row in sample.table["predictions"]]
        told = [json.dumps(row | {"topic": row["topic"] | {"boats": probability}}) for row in rows]
        return ClipSample(sample.table.assign(predictions=told))

    reference, current = world(3)
    as_it_is = by_name(compared(reference, current))["label_topic"]
    rare = by_name(compared(with_rare(reference, 1e-6), with_rare(current, 3e-6)))["label_topic"]
    assert as_it_is.p_value > 0.05
    assert rare.p_value == as_it_is.p_value


def test_features_that_only_the_reference_describes_are_no_gap():
    reference, current = world(0)
    layout = {"captions@2b": 4}
    narrow = [row[8:] for row in current.table["embedding"]]
    names, skipped = embeddings_tested(
        reference, ClipSample(current.table.assign(embedding=narrow, parts=json.dumps(layout)))
    )
    assert names == ["embedding_captions"]
    assert not any(name.startswith("embedding") for name in skipped)


def test_parts_are_found_wherever_they_lie():
    reference, current = world(0, shift=1.0)
    turned = [[*row[8:], *row[:8]] for row in current.table["embedding"]]
    moved = ClipSample(current.table.assign(embedding=turned, parts=json.dumps({"captions@2b": 4, "frames@1a": 8})))
    assert compared(reference, moved) == compared(reference, current)


def test_records_that_do_not_tell_their_parts_have_those_of_the_others():
    reference, current = world(0)
    told = current.table["parts"].where(current.table.index % 2 == 0, "{}")
    for silent in ("{}", told):
        other = ClipSample(current.table.assign(parts=silent))
        assert embeddings_tested(reference, other)[0] == ["embedding_frames", "embedding_captions"]


def test_an_unknown_fact_is_refused():
    options = OPTIONS.model_copy(update={"facts": ("colour",)})
    with pytest.raises(ConfigurationError, match="'colour'"):
        run(0, options)


def test_what_only_some_tables_tell_is_tested_where_both_sides_tell_it():
    reference, current = world(0)
    rng = np.random.default_rng(0)
    for side, foreign, silent in ((reference, 0.02, 0.05), (current, 0.6, 0.5)):
        n = len(side)
        side.table["language"] = np.where(rng.random(n) < foreign, "de", "en")
        side.table["abstained"] = [json.dumps({"topic": bool(rng.random() < silent)}) for _ in range(n)]
        side.table["has_sound"] = rng.random(n) < 0.5
    comparison = compared(reference, current)
    found = by_name(comparison)
    assert set(comparison.skipped) == {"screen_text"}
    assert found["language"].drifted
    assert found["abstained_topic"].drifted
    assert not found["missing_sound"].drifted
    assert "abstained_safety" in found


def test_a_side_that_knows_no_language_is_not_held_against_one_that_does():
    reference, current = world(0)
    reference.table["language"], current.table["language"] = "", "en"
    comparison = compared(reference, current)
    assert "language" not in by_name(comparison)
    assert comparison.skipped["language"] == "the reference does not tell any"


def test_a_text_on_the_screen_counts_as_a_caption():
    reference, current = world(0, current=200, empty=0.5)
    assert by_name(compared(reference, current))["missing_caption"].drifted
    for side in (reference, current):
        side.table["has_screen_text"] = True
    assert by_name(compared(reference, current))["missing_caption"].effect == 0


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
    reference, current = world(3, current=100, share=0.98)
    partly = compared(without(reference, range(120, 140), "topic"), without(current, range(0, 60, 2), "topic"))
    whole, tests = by_name(compared(reference, current)), by_name(partly)
    assert set(tests) == set(whole)
    assert tests["label_topic"].drifted
    assert tests["label_safety"].statistic == whole["label_safety"].statistic
    few = compared(reference, without(current, range(95), "topic"))
    assert few.skipped["predictions of topic"] == "it applies to 5 clips of the service; 20 are needed"
    assert "label_safety" in by_name(few)


def test_needed_clips_are_told_and_none_where_the_reference_is_too_small(calm):
    assert {one.clips for one in calm.needed if one.question == "a class at 10 points more"} == {None}
    assert "a class at 10 points more takes" not in summarise(calm, OPTIONS)
    strict, lax = (run(3, OPTIONS.model_copy(update={"alpha": alpha}), reference=(900, 60)) for alpha in (0.05, 0.5))
    sizes = [next(one.clips for one in found.needed if "new topic" in one.question) for found in (strict, lax)]
    assert sizes[0] > sizes[1] > 50
    calm = replace(strict, decision=DriftDecision.NO_DRIFT)
    assert f"a new topic at 10 % takes about {sizes[0]:,} clips" in summarise(calm, OPTIONS)


def test_the_default_size_takes_under_eight_seconds():
    rng = np.random.default_rng(0)
    reference, current = world(0, reference=(1000, 300), current=1000, creators=300)
    for side in (reference, current):
        side.table["embedding"] = list(rng.normal(size=(len(side), 1664)).astype(np.float32))
        side.table["parts"] = json.dumps({"frames@1a": 1280, "captions@2b": 384})
    started = time.process_time()
    compared(reference, current, DriftOptions(), 0.00125)
    assert time.process_time() - started < 8
