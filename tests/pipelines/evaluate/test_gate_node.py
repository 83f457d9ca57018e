"""The gate as a node, on models that were fitted to labels which mean nothing, and on one that fails a language."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.account import MAJORITY
from cu_pipeline.evaluation.contest import Contest
from cu_pipeline.evaluation.measurement import EvaluateOptions
from cu_pipeline.evaluation.metrics import ScoredClips
from cu_pipeline.pipelines.evaluate.nodes import gate_challengers

CLASSES = 3


def answers(truth, said):
    return ScoredClips.decide(Kind.SINGLE, np.eye(CLASSES, dtype=bool)[truth], said)


def contest(truth, said, opposed=None, lang="en"):
    """A contest on clips of creators with two clips each."""
    n = len(truth)
    clips = pd.DataFrame({"group": [f"g{row // 2}" for row in range(n)], "lang": lang, "metadata": "{}"})
    return Contest(
        "topic",
        "new",
        None if opposed is None else "old",
        clips,
        np.arange(n),
        tuple(f"k{row}" for row in range(n)),
        np.full(CLASSES, 1 / CLASSES),
        answers(truth, said),
        None if opposed is None else answers(truth, opposed),
        alone="there is no champion yet" if opposed is None else "",
    )


def gate(one, baselines=None, taken_back=(), earlier=()):
    options = EvaluateOptions()
    return gate_challengers(
        {"topic": one}, {"topic": baselines or {}}, {"topic": set(taken_back)}, list(earlier), options
    )


def world(seed, *, shuffled):
    """Features that tell the class of 300 training and 200 test clips, and a model that was fitted to the labels."""
    random = np.random.default_rng(seed)
    truth = random.integers(CLASSES, size=500)
    features = np.eye(CLASSES)[truth] + random.normal(0, 0.5, (500, CLASSES))
    labels = random.permutation(truth) if shuffled else truth
    model = LogisticRegression().fit(features[:300], labels[:300])
    return labels[300:], model.predict_proba(features[300:])


@pytest.mark.parametrize("seed", range(5))
def test_a_capability_whose_labels_are_shuffled_is_not_promoted_and_the_reasons_are_words(seed, caplog):
    entries, found = gate(contest(*world(seed, shuffled=True)))
    row = found["topic"]
    assert (row["decision"], row["forced"]) == ("keep", False)
    reasons = "; ".join(row["reasons"])
    assert "on 200 test clips it is not shown to be better than the majority" in reasons
    assert "what would help: more labels, labels that are right" in reasons
    assert "topic: not promoted" in caplog.text
    assert [one.champion for one in entries] == [MAJORITY]


def test_the_same_model_of_labels_that_are_right_is_promoted():
    assert gate(contest(*world(0, shuffled=False)))[1]["topic"]["decision"] == "promote"


def planted(loss):
    """Certain answers about 600 clips, a third of them German: better in English, worse by `loss` in German."""
    random = np.random.default_rng(0)
    truth, german = random.integers(CLASSES, size=600), np.arange(600) % 6 < 2
    wrong = (truth + 1) % CLASSES
    right = random.random(600)
    old = np.where(right < 0.8, truth, wrong)
    new = np.where(right < np.where(german, 0.8 - loss, 0.9), truth, wrong)
    said = [0.8 * np.eye(CLASSES)[named] + 0.2 / CLASSES for named in (new, old)]
    return contest(truth, *said, lang=np.where(german, "de", "en"))


def test_a_model_that_loses_15_points_in_one_language_is_not_promoted_and_the_language_is_named(caplog):
    caplog.set_level("INFO")
    row = gate(planted(0.15))[1]["topic"]
    assert row["decision"] == "keep"
    reason = next(reason for reason in row["reasons"] if "protected slice" in reason)
    assert "lang=de" in reason
    assert "lang=en" not in reason
    assert "topic: champion kept" in caplog.text
    assert "lang=de" in caplog.text


def test_without_that_loss_it_is_promoted():
    assert gate(planted(-0.1))[1]["topic"]["decision"] == "promote"


def test_a_second_run_spends_nothing_and_decides_alike():
    one = planted(-0.1)
    entries, first = gate(one)
    again, second = gate(one, earlier=entries)
    assert (len(entries), again) == (1, [])
    assert second["topic"]["decision"] == first["topic"]["decision"] == "promote"


def test_what_people_took_back_is_not_promoted():
    assert gate(planted(-0.1), taken_back=["new"])[1]["topic"]["decision"] == "keep"
