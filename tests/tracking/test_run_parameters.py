from copy import deepcopy
from typing import Any

import yaml

from cu_pipeline.core.options import Options
from cu_pipeline.tracking.run_parameters import as_yaml, compared, flatten

BASE: dict[str, Any] = {
    "capabilities": {"topic": {"kind": "single", "description": "what it is about"}},
    "collect": {"manifest": "sample", "duplicates": {"visual_bits": 31}},
    "train": {"family": "auto", "auto": {"candidates": ["majority", "linear"], "folds": 5},
              "linear": {"strengths": [10.0, 1.0]}, "fusion": {"epochs": 40}},
    "report": {"title": "Clips"},
    "seed": 17,
}  # fmt: skip


class Inner(Options):
    size: int = 224


class Outer(Options):
    inner: Inner = Inner()
    names: tuple[str, ...] = ("a",)


def test_defaults_of_models_are_logged_too() -> None:
    assert flatten({"featurize": Outer(), "seed": 1}) == {
        "featurize.inner.size": 224,
        "featurize.names": ["a"],
        "seed": 1,
    }


def test_of_defaults_only_those_are_compared_that_decide_a_model() -> None:
    assert compared(BASE, BASE) == {
        "capabilities.topic.kind": "single",
        "collect.manifest": "sample",
        "train.family": "auto",
        "train.auto.candidates": "majority, linear",
        "train.auto.folds": "5",
        "train.linear.strengths": "10, 1",
        "seed": "17",
    }


def test_what_differs_from_the_defaults_is_compared_whatever_it_is() -> None:
    edited = deepcopy(BASE) | {"report": {"title": "Mine"}}
    edited["collect"]["duplicates"]["visual_bits"] = 20.0
    found = compared(edited, BASE)
    assert found["report.title"] == "Mine"
    assert found["collect.duplicates.visual_bits"] == "20"


def test_values_that_mean_the_same_are_the_same() -> None:
    other = deepcopy(BASE)
    other["collect"] = {"manifest": ["sample"], "duplicates": {"visual_bits": 31.0}}
    other["train"]["linear"]["strengths"] = [10, 1]
    assert compared(other, BASE) == compared(BASE, BASE)


def test_a_family_brings_its_parameters_and_others_go() -> None:
    edited = deepcopy(BASE)
    edited["train"]["family"] = "fusion"
    found = compared(edited, BASE)
    assert {key: value for key, value in found.items() if key.startswith("train.")} == {
        "train.family": "fusion",
        "train.fusion.epochs": "40",
    }


def test_all_parameters_are_written_without_passwords() -> None:
    text = as_yaml({"featurize": Outer(), "collect": {"manifest": "postgresql://me:secret@host/db"}})
    assert yaml.safe_load(text) == {
        "featurize": {"inner": {"size": 224}, "names": ["a"]},
        "collect": {"manifest": "postgresql://me:***@host/db"},
    }
    given = {"collect": {"manifest": "postgresql://me:secret@host/db"}}
    assert compared(given, BASE)["collect.manifest"] == "postgresql://me:***@host/db"
