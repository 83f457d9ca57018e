"""What parameters are worth: the loss on clips of units that the model has not seen."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.options import Options
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.models.family import Examples, Fitted
from cu_pipeline.models.tuning_loss import WORST, CrossValidation, TuningTask

CLIPS = 30


def task(name="topic", groups=None, answers=None, validates=()):
    rows = np.arange(CLIPS)
    answers = rows % 2 if answers is None else answers
    features = ClipFeatures({"row": Feature(rows[:, None].astype(np.float32), np.ones(CLIPS, bool))}, CLIPS)
    examples = Examples(features, np.eye(2, dtype=np.float32)[answers], rows // 3 if groups is None else groups)
    return TuningTask(name, Kind.SINGLE, examples, np.isin(rows, validates))


class Confidence(Options):
    right: float = 0.5


@dataclass
class Known:
    """A family that answers every clip right with a probability, and notes what it was shown."""

    fitted: list[tuple[set[int], set[int]]] = field(default_factory=list)
    asked: list[set[int]] = field(default_factory=list)

    def fit(self, train, validation, kind, options, seed):
        self.fitted.append((rows(train.features), rows(validation.features)))
        return Fitted({"right": options.right}, {})

    def load(self, config, weights):
        right, asked = config["right"], self.asked

        class Model:
            def logits(self, features):
                asked.append(rows(features))
                answers = np.array(features.features["row"].values[:, 0], int) % 2
                return np.log(np.where(np.eye(2)[answers] > 0, right, 1 - right)).astype(np.float32)

        return Model()


def rows(features):
    return {int(row) for row in features.features["row"].values[:, 0]}


def measured(*tasks, right=0.8, folds=5):
    learner = Known()
    measure = CrossValidation.of(tasks, learner, folds, 3)
    return learner, [measure.loss(Confidence(right=right), fold) for fold in range(measure.count)], measure


@pytest.mark.parametrize("right", [0.5, 0.9])
def test_the_loss_is_the_negative_log_likelihood_of_the_answers(right):
    _, losses, _ = measured(task(), right=right)
    assert losses == pytest.approx([-np.log(right)] * 5, rel=1e-5)


def test_capabilities_weigh_alike():
    wrong = task("safety", answers=np.where(np.arange(CLIPS) == 0, 1, 1 - np.arange(CLIPS) % 2))
    _, losses, _ = measured(task(), wrong, right=0.8, folds=3)
    assert np.mean(losses) == pytest.approx(-(np.log(0.8) + np.log(0.2)) / 2, rel=1e-5)


def test_no_unit_is_learned_from_and_predicted():
    learner, _, _ = measured(task(validates=range(15, 21)))
    assert set().union(*learner.asked[1::2]) == set(range(CLIPS))
    for (train, validation), calibrated, unseen in zip(
        learner.fitted, learner.asked[::2], learner.asked[1::2], strict=True
    ):
        assert {row // 3 for row in train | validation}.isdisjoint(row // 3 for row in unseen)
        assert train | validation | unseen == set(range(CLIPS))
        assert calibrated == validation == set(range(15, 21)) - unseen


def test_other_folds_hold_other_units_out():
    learner, _, measure = measured(task())
    first, learner.asked = learner.asked, []
    measure.divided_anew().loss(Confidence(), 0)
    assert learner.asked[0] not in first


def test_one_answer_and_too_few_units_are_told():
    assert task().problem(10) == ""
    assert task(answers=np.zeros(CLIPS, int)).problem(5) == (
        "capability 'topic': its 30 labelled clips outside the test split all have the same answer, so there is "
        "nothing to tune. Label more clips"
    )
    assert "are of 4 units (creators, near-duplicates), too few for 5 folds" in task(
        groups=np.arange(CLIPS) % 4
    ).problem(5)


def test_where_only_validation_clips_are_left_they_are_learned_from():
    learner, losses, _ = measured(task(validates=range(CLIPS)))
    assert all(validation == set() for _, validation in learner.fitted)
    assert max(losses) < WORST
