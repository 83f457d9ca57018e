"""Which of several families is chosen, on clips whose best answer is known."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import DivergedError
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.models import selection
from cu_pipeline.models.families import FAMILIES, TrainOptions
from cu_pipeline.models.family import Candidate, Examples, Fitted
from cu_pipeline.models.majority import Majority, MajorityOptions
from cu_pipeline.models.selection import SelectionOptions, Selector

NOBODY: list[int] = []


def candidate(name):
    return Candidate(name, FAMILIES[name](), FAMILIES[name].options(), ["frames", "captions"])


def choose(examples, *candidates, kind=Kind.SINGLE, **options):
    selector = Selector(examples, examples.take(NOBODY), kind, seed=0)
    return selector.select(candidates or list(map(candidate, ("majority", "linear"))), SelectionOptions(**options))


def by_family(chosen):
    return {one.family: one for one in chosen.scores}


def shuffled(examples, seed=0):
    return replace(examples, targets=np.random.default_rng(seed).permutation(examples.targets))


@pytest.mark.parametrize("kind", list(Kind))
def test_what_can_be_learned_is_learned(examples, kind):
    chosen = choose(examples(80, 0, kind), kind=kind)
    scores = by_family(chosen)
    assert chosen.candidate.name == "linear"
    assert scores["linear"].chosen
    assert not scores["majority"].chosen
    assert scores["majority"].worse_by > 3 * scores["majority"].standard_error


def test_where_nothing_can_be_learned_the_majority_is_chosen(examples):
    """One standard error is passed by chance about once in ten times."""
    chosen = [choose(shuffled(examples(40, seed), seed)).candidate.name for seed in range(8)]
    assert chosen.count("majority") >= 6


def test_the_losses_are_those_of_clips_whose_unit_was_not_seen():
    """Clips of a unit are alike and have one answer, which is as random as a coin: nothing can be known of others."""
    random = np.random.default_rng(0)
    units = np.repeat(np.arange(20), 6)
    frames = random.normal(size=(20, 3, 12)).astype(np.float32)[units]
    truth = random.permutation(np.arange(20) % 2)[units]
    features = ClipFeatures({name: Feature(frames, np.ones(120, dtype=bool)) for name in ("frames", "captions")}, 120)
    tied = Examples(features, np.eye(2, dtype=np.float32)[truth], units)
    assert by_family(choose(tied))["linear"].loss > 0.6
    assert choose(tied).candidate.name == "majority"
    apart = replace(tied, groups=None)
    assert by_family(choose(apart))["linear"].loss < 0.2


def test_a_standard_error_counts_the_clips_of_a_unit_as_one(examples):
    one_each = examples(60, 0)
    copies = np.tile(np.arange(60), 4)
    error = by_family(choose(one_each))["majority"].standard_error
    four_each = replace(one_each.take(copies), groups=copies)
    assert by_family(choose(four_each))["majority"].standard_error == pytest.approx(error, rel=0.35)


class Sure(Majority):
    """Gives every clip the answer that its first caption value tells, with some doubt."""

    blind = False
    doubt = 0.0

    def fit(self, train, validation, kind, options, seed):
        del validation, kind, options, seed
        return Fitted({}, {"level": np.zeros(train.targets.shape[1], dtype=np.float32)})

    def load(self, config, weights):
        del config, weights
        return self

    def logits(self, features):
        said = np.stack([features["captions"].values[:, 0]] * 2, axis=1) * [-1, 1]
        return (said * (1 - self.doubt)).astype(np.float32)


class Doubtful(Sure):
    doubt = 0.02


def test_of_two_that_are_as_good_the_simpler_is_chosen(examples):
    clips = examples(90, 0)
    told = clips.features["captions"].values.copy()
    told[:, 0] = 3 * (clips.targets[:, 1] - 0.5) + np.random.default_rng(1).normal(size=90)
    clips = replace(clips, features=ClipFeatures({"captions": Feature(told, np.ones(90, dtype=bool))}, 90))
    pair = [Candidate(kind.__name__, kind(), MajorityOptions(), ["captions"]) for kind in (Doubtful, Sure)]
    assert choose(clips, *pair).candidate.name == "Doubtful"
    assert choose(clips, *pair[::-1]).candidate.name == "Sure"


def test_predictions_of_unseen_clips_come_with_the_model_for_calibration(examples):
    clips = examples(60, 0)
    for name in ("majority", "fusion"):
        quick = candidate(name)._replace(options=FAMILIES[name].options(**{"epochs": 1} if name == "fusion" else {}))
        assert choose(clips, quick).fitted.cross_fitted.shape == (60, 2)


def test_time_that_is_over_leaves_out_what_comes_third(examples, monkeypatch):
    clock = itertools.count(step=1000)
    monkeypatch.setattr(selection.time, "monotonic", lambda: float(next(clock)))
    third = candidate("majority")._replace(name="third")
    chosen = choose(examples(60, 0), candidate("majority"), candidate("linear"), third, minutes=1.0)
    assert chosen.candidate.name == "linear"
    assert [one.loss is None for one in chosen.scores] == [False, False, True]
    assert chosen.scores[2].note == "left out: 1 minutes were over"


class Diverging(Majority):
    """A family whose loss runs away."""

    def fit(self, *_):
        raise DivergedError("train.wild: the loss ran away in epoch 1")


def test_a_candidate_whose_loss_runs_away_is_left_out_and_none_but_such_is_an_error(examples, caplog):
    clips = examples(60, 0)
    wild = candidate("majority")._replace(name="wild", learner=Diverging())
    chosen = choose(clips, wild, candidate("majority"), candidate("linear"))
    assert chosen.candidate.name == "linear"
    assert chosen.scores[0].note == "left out: train.wild: the loss ran away in epoch 1"
    assert "family wild is left out" in caplog.text
    with pytest.raises(DivergedError, match="ran away in epoch 1"):
        choose(clips, wild)


def test_where_all_clips_have_one_answer_there_is_nothing_to_learn(examples):
    clips = examples(30, 0)
    alike = clips.take(np.flatnonzero(clips.targets[:, 0]))
    assert choose(alike).candidate.name == "majority"
    assert {one.note for one in choose(alike).scores} == {"not compared: all clips have one answer"}


def test_where_all_clips_are_of_one_unit_the_first_that_learns_is_taken(examples):
    tied = replace(examples(30, 0), groups=np.zeros(30, dtype=np.int64))
    chosen = choose(tied)
    assert chosen.candidate.name == "linear"
    assert {one.note for one in chosen.scores} == {
        "not compared: all clips belong to one unit, so none can be held out"
    }


def test_an_unknown_candidate_is_named():
    with pytest.raises(ValueError, match=r"candidates \['forest'\] are no model families; allowed: majority"):
        TrainOptions(auto={"candidates": ["majority", "forest"]})


class OnSome(Majority):
    """Predicts half of the clips only when it is fitted, as a family does that chooses on a sample."""

    def fit(self, train, validation, kind, options, seed):
        fitted = super().fit(train, validation, kind, options, seed)
        logits = np.tile(fitted.weights["level"], (len(train), 1))
        logits[1::2] = np.nan
        return replace(fitted, cross_fitted=logits)


def test_candidates_are_compared_on_clips_that_all_have_predicted(examples):
    some = candidate("majority")._replace(name="some", learner=OnSome())
    scores = by_family(choose(examples(80, 0), some, candidate("linear")))
    assert scores["linear"].chosen
    assert np.isfinite([scores["some"].loss, scores["some"].worse_by, scores["some"].standard_error]).all()


def test_one_that_looks_at_nothing_is_given_no_features_and_comes_to_the_same(examples, monkeypatch):
    told = choose(examples(60, 0), candidate("majority"))
    given = []
    fit = Majority.fit
    monkeypatch.setattr(Majority, "fit", lambda self, *parts: given.append(parts[0].features) or fit(self, *parts))
    monkeypatch.setattr(Majority, "blind", False)
    seen = choose(examples(60, 0), candidate("majority"))
    assert {tuple(one.features) for one in given} == {("frames", "captions")}
    given.clear()
    monkeypatch.setattr(Majority, "blind", True)
    blind = choose(examples(60, 0), candidate("majority"))
    assert {tuple(one.features) for one in given} == {()}
    for one in (told, blind):
        np.testing.assert_array_equal(one.fitted.cross_fitted, seen.fitted.cross_fitted)
        np.testing.assert_array_equal(one.fitted.weights["level"], seen.fitted.weights["level"])
