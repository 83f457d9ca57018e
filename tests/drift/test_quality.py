import json

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.drift.label_shift import class_weights
from cu_pipeline.drift.quality import BY_AUDITS, BY_CONFIDENCE, QualityOptions, estimate_quality
from cu_pipeline.drift.samples import ClipSample

CLASSES = ("cats", "dogs", "birds")
OPTIONS = QualityOptions()


def clips(creators, each, rng, shares=(1 / 3, 1 / 3, 1 / 3), off=0.0, skill=1.5):
    """Clips of creators who differ in what they show and in how hard they are; `off` makes a model surer than right."""
    rows = []
    for creator in range(creators):
        favourite, hard = rng.choice(3, p=shares), rng.normal(scale=0.6)
        for clip in range(rng.poisson(each) + 1):
            truth = favourite if rng.random() < 0.5 else rng.choice(3, p=shares)
            seen = rng.normal(size=3) + (skill - hard) * np.eye(3)[truth]
            logits = 2 * (seen - seen.max()) * (1 + off)
            p = np.exp(logits) / np.exp(logits).sum()
            rows.append((f"creator:{creator}", f"{creator}-{clip}", truth, p))
    return table(rows)


def table(rows):
    return pd.DataFrame(
        [
            {
                "request_id": name, "clip_id": name, "group": creator, "truth": CLASSES[truth], "truth_source": "human",
                "labels": json.dumps({"topic": CLASSES[int(p.argmax())]}),
                "predictions": json.dumps({"topic": dict(zip(CLASSES, map(float, p), strict=True))}),
            }
            for creator, name, truth, p in rows
        ]
    )  # fmt: skip


def accuracy(table):
    return float(
        np.mean([json.loads(one)["topic"] == truth for one, truth in zip(table["labels"], table["truth"], strict=True)])
    )


def estimate(reference, now, audits=(), doubts=()):
    return estimate_quality("topic", Kind.SINGLE, ClipSample(reference), ClipSample(now), dict(audits), doubts, OPTIONS)


@pytest.fixture(scope="module")
def true_accuracy():
    """Of very many creators, by shares of classes."""
    rng = np.random.default_rng(1)
    shifted = (0.7, 0.2, 0.1)
    return {"same": accuracy(clips(1500, 3, rng)), "mix": accuracy(clips(1500, 3, rng, shares=shifted))}


@pytest.mark.parametrize(("creators", "each"), [(15, 8), (60, 4)])
@pytest.mark.parametrize("shares", ["same", "mix"])
def test_its_interval_holds_the_accuracy_in_19_of_20_windows(true_accuracy, creators, each, shares):
    """Of 40 simulations 33 or more: a coverage of 0.95 falls below that less than once in 1,000 times."""
    rng = np.random.default_rng([creators, len(shares)])
    now = {"same": (1 / 3, 1 / 3, 1 / 3), "mix": (0.7, 0.2, 0.1)}[shares]
    found = [estimate(clips(creators, each, rng, off=0.5), clips(creators, each, rng, now, off=0.5)) for _ in range(40)]
    held = [one.low <= true_accuracy[shares] <= one.high for one in found]
    assert sum(held) >= 33
    assert {one.method for one in found} == {BY_CONFIDENCE}
    assert all(one.trusted for one in found)
    if creators == 60:
        assert np.mean([one.accuracy for one in found]) == pytest.approx(true_accuracy[shares], abs=0.02)


def test_audits_hold_where_confidence_does_not():
    """A model that has become worse without noticing: people look at 60 clips."""
    rng = np.random.default_rng(3)
    truth = accuracy(clips(1500, 3, np.random.default_rng(2), skill=0.3))
    held, plain, wide = 0, 0, []
    for _ in range(40):
        reference, now = clips(60, 4, rng), clips(60, 4, rng, off=1.0, skill=0.3)
        chosen = now.sample(60, random_state=int(rng.integers(10**6)))
        audits = dict(zip(chosen["request_id"], chosen["truth"], strict=True))
        told = estimate(reference, now, audits)
        held += told.low <= truth <= told.high
        plain += (without := estimate(reference, now)).low <= truth <= without.high
        wide.append(told.high - told.low)
        assert (told.method, told.audits, told.trusted) == (BY_AUDITS, 60, True)
    assert held >= 33
    assert plain <= 7
    assert np.mean(wide) < 0.35


def test_few_audits_change_nothing():
    rng = np.random.default_rng(4)
    reference, now = clips(60, 4, rng), clips(60, 4, rng)
    audits = dict(zip(now["request_id"][:5], now["truth"][:5], strict=True))
    told = estimate(reference, now, audits)
    assert (told.method, told.audits) == (BY_CONFIDENCE, 5)


def test_it_says_why_it_cannot_be_believed():
    rng = np.random.default_rng(5)
    reference, now = clips(60, 4, rng), clips(60, 4, rng)
    assert estimate(reference, now, doubts=["a new topic"]).why == (
        "its confidence cannot be believed, since a new topic"
    )
    few = estimate(reference, now.iloc[:10])
    assert (few.trusted, "10, and 50 are needed" in few.why) == (False, True)
    one = estimate(reference, now.assign(group="creator:1"))
    assert "of 1 creators" in one.why
    unlabelled = estimate(reference.assign(truth_source="rule"), now)
    assert (unlabelled.trusted, unlabelled.low, unlabelled.high) == (False, 0, 1)
    untold = estimate_quality("topic", Kind.SINGLE, None, ClipSample(now), {}, (), OPTIONS)
    assert "does not tell what it learned from" in untold.why
    assert not estimate(reference, now.iloc[:0]).trusted


def test_of_several_classes_all_must_be_right_and_an_abstention_counts_by_its_likeliest_class():
    rows = [{"a": 0.9, "b": 0.2}] * 30 + [{"a": 0.1, "b": 0.2}] * 30
    several = pd.DataFrame(
        {
            "request_id": [str(number) for number in range(60)],
            "group": [f"creator:{number // 2}" for number in range(60)],
            "predictions": [json.dumps({"safety": row}) for row in rows],
            "labels": [json.dumps({"safety": label}) for label in ["a"] * 30 + ["none"] * 30],
            "truth": ["a"] * 30 + ["none"] * 15 + ["b"] * 15,
            "truth_source": "human",
        }
    )
    told = estimate_quality("safety", Kind.MULTI, ClipSample(several), ClipSample(several), {}, (), OPTIONS)
    assert told.accuracy == pytest.approx(0.75)
    silent = table([("creator:1", str(number), 1, np.array([0.2, 0.5, 0.3])) for number in range(60)])
    silent["labels"] = json.dumps({"topic": "abstain"})
    silent["group"] = [f"creator:{number}" for number in range(60)]
    assert estimate(silent, silent).accuracy == pytest.approx(1.0)


def test_shares_of_classes_are_found_behind_a_models_mistakes():
    rng = np.random.default_rng(6)
    confusion = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7]])
    truth = rng.choice(3, 2000, p=[0.5, 0.3, 0.2])
    now = rng.choice(3, 2000, p=[0.2, 0.3, 0.5])
    weights = class_weights(confusion[truth], truth, confusion[now])
    np.testing.assert_allclose(weights * [0.5, 0.3, 0.2], [0.2, 0.3, 0.5], atol=0.04)
    assert class_weights(confusion[truth], truth, confusion[truth]) == pytest.approx(np.ones(3))
