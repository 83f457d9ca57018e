"""Cards of a model whose numbers are known, with and without what earlier versions did not measure."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.core.scope import Scope
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.labeling.guarantee.outcome import Guarantee
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.reports import model_card_text
from cu_pipeline.reports.model_card import ModelCard, describe_data, measured_models

HOSTILE = "<script>alert(1)</script> | **bold**"
CLIPS = {"n": 600, "creators": 60, "with_media": 600, "hours": 0.5, "posted": ["2026-03-02T10:00", "2026-08-13T07:00"]}


def bundle(weight: float = 0.0, **more: Any) -> Bundle:
    inputs = {"frames": FeatureInput("frames", "f00d", (8, 1280), {"count": 8})}
    return Bundle("topic", Kind.SINGLE, ("cooking", "pets"), "linear", {}, {"w": np.full(1, weight)}, inputs, **more)


def measured(**more: Any) -> dict[str, Any]:
    test = {"n": 98, "accuracy": 0.8163, "macro_f1": 0.82, "ece": 0.1, "ci95": {"accuracy": [0.7347, 0.8878]}}
    per_class = {
        "cooking": {"precision": 0.9, "recall": 0.25, "f1": 0.4, "support": 12},
        "pets": {"precision": 0.9, "recall": 0.9, "f1": 0.9, "support": 86},
    }
    return {"test": test, "served": True, "model_version": bundle().version, "per_class": per_class} | more


def card(found: dict[str, Any], *, model: Bundle | None = None, **more: Any) -> ModelCard:
    topic = Capability(kind=Kind.SINGLE, classes=("cooking", "pets"), class_descriptions={"pets": HOSTILE})
    labels = pd.DataFrame({"capability": ["topic"] * 3, "source": ["human", "human", "llm"]})
    about = {"clips": CLIPS, "languages": [["en", 500], ["unknown", 100]], "agreement": {"topic": {"alpha": 0.74}}}
    numbers = (0.05, 0.05, False, {}, [], [], 9, {}, 0, 4, 0.4, 0.05, 0.0, 0.0, 0.0, None, 0, 0, 0.04, {})
    certified = {"topic": Guarantee(*numbers, message="topic: at most 5% of such labels are wrong")}
    data = describe_data("be8c09720143", about, labels, certified, ResolvedCapabilities({"topic": topic}))
    return ModelCard("topic", model or bundle(), found, None, "4afe", data, more)


def test_the_header_holds_what_was_measured_in_the_form_of_hubs() -> None:
    _, header, body = model_card_text.markdown(card(measured())).split("---\n", 2)
    found = yaml.safe_load(header)
    (result,) = found["model-index"][0]["results"]
    values = {one["type"]: one["value"] for one in result["metrics"]}
    assert values == {"accuracy": 0.8163, "macro_f1": 0.82, "ece": 0.1}
    assert (result["dataset"]["split"], result["dataset"]["revision"]) == ("test", "be8c09720143")
    assert (found["language"], found["library_name"]) == (["en"], "cu-pipeline")
    assert body.strip().startswith("# topic")


def test_the_card_says_numbers_data_limits_and_how_to_make_the_model_again() -> None:
    text = model_card_text.markdown(card(measured()))
    for said in (
        "| test | 98 | 0.816 (0.735 to 0.888) |",
        "2 by people, 1 by language model",
        "at most 5% of such labels are wrong",
        "Finding every clip of class cooking: it finds 25% of 12",
        "alpha 0.74",
        "`f00d`",
        "kedro reproduce 4afe",
    ):
        assert said in text


def test_what_is_measured_over_units_is_told_where_there_is_it() -> None:
    slices = {
        "looked_at": 7,
        "rows": [
            {"column": "lang", "value": "de", "n": 12, "units": 6, "accuracy": 0.6, "rest": 0.85}
            | {"p_adjusted": 0.012, "worse": True}
        ],
    }
    test = measured()["test"] | {"units": 41, "auroc": None, "brier": 0.2}
    gain = {"accuracy": 0.1, "ci95": [-0.05, 0.2]}
    baselines = {"metadata_only": {"n": 98, "accuracy": 0.7, "macro_f1": 0.6, "gain": gain, "shown_better": False}}
    found = measured(
        test=test,
        cross_fitted=test | {"n": 410},
        slices=slices,
        baselines=baselines,
        calibration={"before": None, "after": {"ece": 0.1, "brier": 0.2, "log_loss": 0.5}},
        warnings=["metadata alone is about as good as the model"],
    )
    text = model_card_text.markdown(
        card(found, modalities=[{"modality": "frames", "accuracy_without": 0.7, "part": 0.1}])
    )
    for said in (
        "98 test clips of 41 units",
        "| cross-fitted | 410 |",
        "| metadata only | 0.700 | 0.600 | +0.100 (-0.050 to +0.200) | no |",
        "| lang: de | 12 | 6 | 0.600 | 0.850 | 0.012 | yes |",
        "Clips with lang de, unless an accuracy of 60.0% is enough there",
        "- after calibration: error 0.100",
        "> **Beware:** metadata alone is about as good as the model",
        "| frames | 0.700 | +0.100 |",
    ):
        assert said in text
    assert "before calibration" not in text
    assert "AUROC" not in text


def test_clips_outside_the_scope_are_named_as_no_use() -> None:
    text = model_card_text.markdown(card(measured(), model=bundle(scope=Scope(languages=["de"]))))
    assert "Other clips than those that it applies to: " in text


@pytest.mark.parametrize("render", [model_card_text.markdown, model_card_text.page])
def test_foreign_text_stays_text(render: Any) -> None:
    text = render(card(measured()))
    assert "alert(1)" in text
    assert "<script>" not in text.replace("\\<", "")
    assert "<strong>bold" not in text


def test_the_card_is_of_the_model_that_was_measured_not_of_a_newer_one() -> None:
    trained, serving = bundle(1.0), bundle()
    for one, kept in ((serving, True), (trained, False)):
        told = {"topic": {"model_version": one.version, "modalities": []}}
        found = measured_models({"topic": trained}, {"topic": serving}, {"topic": measured()}, {}, told)
        assert found["topic"]["bundle"] is serving
        assert bool(found["topic"]["insights"]) == kept
    assert measured_models({"topic": trained}, {}, {"topic": measured()}, {}, {}) == {}
