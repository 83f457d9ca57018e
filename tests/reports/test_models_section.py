"""What is shown of each model: numbers of which clips, simpler models, slices, what would help, and mistakes."""

import re
from html import unescape

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.reports.cards import ReportOptions
from cu_pipeline.reports.models_section import models_section
from cu_pipeline.reports.templating import environment

PAGE = """{% import "gate.html.j2" as gate_parts %}{% import "parts.html.j2" as parts %}
{% include "models.html.j2" %}"""
HOSTILE = "<script>alert(1)</script>"
CHINESE = ("烹饪", "足球")


def numbers(accuracy, n=40, intervals=True):
    found = {"n": n, "units": 10, "accuracy": accuracy, "macro_f1": 0.7, "ece": 0.1, "auroc": None, "brier": 0.25}
    return found | ({"ci95": {"accuracy": [0.61, 0.83], "brier": [0.2, 0.3], "auroc": None}} if intervals else {})


def measured(classes=("a", "b"), **others):
    size = len(classes)
    one = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 9, "average_precision": 0.66, "auroc": None}
    gain = {"accuracy": 0.123, "ci95": [-0.02, 0.26]}
    return {
        "model_version": "v1",
        "classes": list(classes),
        "test": numbers(0.72),
        "cross_fitted": numbers(0.81, 160),
        "calibration": {"before": {"ece": 0.2, "log_loss": 0.9, "brier": 0.3}, "after": {"ece": 0.1, "log_loss": 0.8}},
        "confusion": np.full((size, size), 3).tolist(),
        "reliability": [{"confidence": 0.75, "accuracy": 0.5, "n": 4}],
        "per_class": dict.fromkeys(classes, one),
        "selective": [{"coverage": c, "risk": c / 4, "threshold": 1 - c} for c in (0.25, 0.5, 1.0)],
        "baselines": {"tfidf_logistic": numbers(0.6) | {"gain": gain, "shown_better": False}},
        "warnings": [f"Beware of {HOSTILE}."],
    } | others


INSIGHT = {
    "model_version": "v1",
    "modalities": [{"modality": "screen_text", "accuracy_without": 0.5, "part": 0.22, "ci95": [0.1, 0.3]}],
    "learning_curve": {
        "asked": 200, "known": 160, "of": "",
        "points": [{"clips": 20 * n, "units": n, "accuracy": 0.5 + n / 20, "loss": 1.0} for n in (1, 2, 4)],
        "forecast": {"clips": 1160, "accuracy": 0.9, "low": 0.8, "high": 0.95, "gain": 0.1,
                     "in_words": "1,000 more help"},
    },
    "why_no_curve": "",
    "errors": [{"clip_id": "c1", "truth": "a", "decided": "b|c", "probability": 0.875, "text": HOSTILE}],
}  # fmt: skip


def shown(found, insight=None, most=12):
    """The section's HTML, and its text."""
    clips = pd.DataFrame({"clip_id": ["c1"], "text": [HOSTILE], "media_sha256": "", "path": ""})
    section = models_section(
        found, {}, {} if insight is None else {"topic": insight}, clips, ReportOptions(examples=most)
    )
    labels, delivery = {"capabilities": [], "waiting": {}}, {"capabilities": {}}
    template = environment().from_string(PAGE)
    html = template.render(models=section.shown, labels=labels, delivery=delivery, pictures={})
    return html, " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


@pytest.fixture(scope="module")
def whole():
    """HTML and text of all that can be shown."""
    return shown({"topic": measured()}, INSIGHT)


def test_it_says_which_numbers_are_test_and_which_cross_fitted(whole):
    text = whole[1]
    assert "Test 40 clips that no model has seen Cross-fitted 160 clips to learn from" in text
    assert "Accuracy 0.720 0.610 to 0.830 0.810 0.610 to 0.830" in text
    assert "Brier score 0.250 0.200 to 0.300" in text
    assert "AUROC – –" in text
    assert "Calibration error on the test clips: 0.200 before calibration, 0.100 after it" in text


def test_simpler_models_stand_with_the_gain_over_them(whole):
    text = whole[1]
    assert "words of the caption 0.600 0.610 to 0.830 0.700 +12.3 -2.0 to +26.0 no" in text
    assert (
        "If it answered only the surest 50 % of the test clips, 12 % of its answers would be wrong instead of 25 %"
        in text
    )


def test_the_worst_slice_stands_first_and_says_whether_it_may_be_chance():
    row = {"column": "language", "value": "de", "n": 12, "units": 6, "accuracy": 0.5, "rest": 0.75, "difference": -0.25}
    row |= {"ci95": [-0.4, -0.1], "p_value": 0.01, "p_adjusted": 0.02, "worse": True}
    rows = [row, *[row | {"value": HOSTILE, "worse": False}] * 13]
    html, text = shown({"topic": measured(slices={"looked_at": 14, "rows": rows})})
    assert "language: de 12 50 % 75 % -25.0 -40.0 to -10.0 worse" in text
    assert "14 slices were looked at" in text
    assert "2 more" in text
    assert HOSTILE not in html


def test_what_would_help_is_told_and_drawn_with_words_for_those_who_cannot_see_it(whole):
    html, text = whole
    assert "1,000 more help." in text
    assert "160 labelled clips and was asked about 200 clips" in text
    assert "Without text on screen it is right on 50 %, with all on 72 % of the test clips" in text
    assert 'alt="Learning curve: 55 % with 20 clips, 60 % with 40 clips, 70 % with 80 clips"' in html
    assert 'alt="Lost without each modality: text on screen 22.0 points"' in html
    assert "said b, c, 88 % sure" in text
    assert HOSTILE not in html


def test_nothing_is_drawn_of_a_model_that_answers_the_same_whatever_it_is_shown():
    same = {"modality": "caption", "accuracy_without": 0.72, "part": 0.0, "ci95": [0.0, 0.0]}
    html, text = shown(
        {"topic": measured()}, INSIGHT | {"modalities": [same], "learning_curve": None, "why_no_curve": "x"}
    )
    assert "It is right as often whatever is hidden from it." in text
    assert "No learning curve was measured: x." in text
    assert "Lost without" not in html


def test_insights_of_another_model_are_not_shown():
    text = shown({"topic": measured()}, INSIGHT | {"model_version": "v0"})[1]
    assert "more help" not in text
    assert "Surest mistakes" not in text


@pytest.mark.parametrize("classes", [CHINESE, ("a",)])
def test_one_class_and_names_in_other_scripts_are_shown(classes):
    html, text = shown({"topic": measured(classes)}, INSIGHT)
    assert html.count("data:image/svg+xml") == 6
    assert all(name in text for name in classes)


def test_several_classes_at_once_are_counted_together():
    several = {"advert": [[30, 2], [3, 9]], HOSTILE: [[30, 2], [3, 9]]}
    html, text = shown({"topic": measured(("advert", HOSTILE), confusion=several)})
    assert "Accuracy counts a clip only if all of its classes are right." in text
    assert HOSTILE not in html


def test_numbers_of_earlier_versions_are_shown_as_far_as_they_go():
    plain = {"n": 4, "accuracy": 0.75, "macro_f1": 0.4, "ece": 0.1, "ci95": {"accuracy": [0.6, 0.9]}}
    found = measured() | {"test": plain, "baselines": {"majority": plain}}
    for key in ("cross_fitted", "calibration", "selective", "warnings", "model_version"):
        del found[key]
    text = shown({"topic": found})[1]
    assert "Accuracy 0.750 0.600 to 0.900" in text
    assert "Cross-fitted" not in text
    assert "always the commonest answer 0.750" in text


def test_without_test_clips_it_is_called_not_measured():
    text = shown({"topic": {"classes": ["a"]}}, INSIGHT | {"model_version": None, "errors": []})[1]
    assert "not measured No clip of the test split has a label by people." in text


def test_no_more_mistakes_are_shown_than_wanted():
    assert "Surest mistakes" not in shown({"topic": measured()}, INSIGHT, most=0)[1]
