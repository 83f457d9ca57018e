"""A pool of families, on clips of which each family can tell a part."""

import json

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BundleError, ConfigurationError
from cu_pipeline.models.ensemble import Ensemble, EnsembleOptions
from cu_pipeline.models.families import FAMILIES, TrainOptions

NOBODY: list[int] = []
PAIR = {"linear": {"folds": 3}, "majority": {}}


def fit(train, kind=Kind.SINGLE, **options):
    fitted = Ensemble().fit(train, train.take(NOBODY), kind, EnsembleOptions(**{"members": PAIR} | options), seed=0)
    return fitted, Ensemble().load(json.loads(json.dumps(fitted.config)), fitted.weights)


@pytest.mark.parametrize("kind", list(Kind))
def test_the_member_that_knows_is_listened_to(examples, kind):
    fitted, model = fit(examples(80, 0, kind), kind)
    weights = {one["family"]: one["weight"] for one in fitted.config["members"]}
    assert weights["linear"] > 0.5
    unseen = examples(80, 1, kind)
    said = model.logits(unseen.features)
    decided = said.argmax(1) if kind is Kind.SINGLE else (said > 0).astype(int)[:, 0]
    assert (decided == (unseen.targets.argmax(1) if kind is Kind.SINGLE else unseen.targets[:, 0])).mean() > 0.9
    assert fitted.cross_fitted.shape == unseen.targets.shape
    assert np.isfinite(fitted.cross_fitted).all()


def test_a_member_that_knows_nothing_adds_nothing(examples):
    train, unseen = examples(80, 0), examples(60, 1)
    alone = FAMILIES["linear"]()
    fitted = alone.fit(train, train.take(NOBODY), Kind.SINGLE, alone.options(folds=3), 0)
    by_itself = alone.load(fitted.config, fitted.weights).logits(unseen.features).argmax(1)
    assert (fit(train)[1].logits(unseen.features).argmax(1) == by_itself).mean() > 0.95


def test_without_units_to_hold_out_members_weigh_alike(examples):
    train = examples(30, 0)
    tied = type(train)(train.features, train.targets, np.zeros(30, dtype=np.int64))
    fitted, _ = fit(tied)
    assert [one["weight"] for one in fitted.config["members"]] == [0.5, 0.5]
    assert fitted.cross_fitted is None


def test_equal_inputs_give_equal_weights(examples):
    one, two = fit(examples(40, 0))[0], fit(examples(40, 0))[0]
    assert one.config == two.config
    assert all((one.weights[name] == two.weights[name]).all() for name in one.weights)


def test_wrong_members_are_named(examples):
    with pytest.raises(ConfigurationError, match="'forest' is unknown; allowed: majority"):
        fit(examples(20, 0), members={"forest": {}})
    with pytest.raises(ConfigurationError, match=r"train\.ensemble\.members\.linear:"):
        fit(examples(20, 0), members={"linear": {"fold": 3}})
    with pytest.raises(ValueError, match="member of itself"):
        TrainOptions(ensemble={"members": {"ensemble": {}}})


def test_weights_of_something_else_are_refused(examples):
    fitted, _ = fit(examples(30, 0))
    with pytest.raises(BundleError, match="no whole ensemble"):
        Ensemble().load(fitted.config, {name: one for name, one in fitted.weights.items() if name[:5] != "pool/"})
