import json

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.judged import Answered
from cu_pipeline.evaluation.metrics import ScoredClips
from cu_pipeline.evaluation.slices import slices_report, worst_slice


def answered(right, units, **columns):
    """Clips of units, right where `right` says so."""
    right = np.asarray(right, dtype=bool)
    same = {"lang": "en", "feed": "f", "media_sha256": "m", "text_sha256": "t", "metadata": "{}", "duration_s": 3.0}
    table = pd.DataFrame({"group": np.asarray(units).astype(str)}).assign(**{"creator": ""} | same | columns)
    truth = np.stack([right, ~right], axis=1)
    return Answered(ScoredClips.decide(Kind.SINGLE, truth, np.tile([0.9, 0.1], (len(right), 1))), table)


def world(seed, units=60, loss=0.0, share=0.8):
    """Units whose clips are alike (ICC 0.5), in three languages, one of which costs the model `loss`."""
    random = np.random.default_rng(seed)
    places = np.repeat(np.arange(units), random.integers(3, 12, units))
    lang = random.choice(["en", "de", "es"], units)[places]
    feed = random.choice(["x", "y"], units)[places]
    right = random.random(len(places)) < random.beta(share, 1 - share, units)[places]
    right &= (lang != "de") | (random.random(len(places)) >= loss)
    return answered(right, places, lang=lang, feed=feed)


def test_a_slice_is_held_against_the_rest():
    lang = np.repeat(["de", "en"], 40)
    right = np.r_[np.arange(40) % 4 == 0, np.arange(40) % 10 != 0]
    report = slices_report(answered(right, np.arange(80), lang=lang))
    first = report["rows"][0]
    assert {name: first[name] for name in ("column", "value", "n", "units", "accuracy", "rest")} == {
        "column": "language", "value": "de", "n": 40, "units": 40, "accuracy": 0.25, "rest": 0.9,
    }  # fmt: skip
    assert first["difference"] == pytest.approx(-0.65)
    assert first["ci95"][0] < -0.65 < first["ci95"][1] < 0
    assert (report["looked_at"], first["worse"], report["rows"][1]["worse"]) == (2, True, False)
    assert first["p_adjusted"] == pytest.approx(2 * first["p_value"])
    assert worst_slice(report).startswith(
        "worse where language is de: accuracy 0.250 on 40 clips, 0.900 elsewhere (p = "
    )


def test_clips_are_divided_by_all_that_is_known_of_them():
    n = 60
    report = slices_report(
        answered(
            np.arange(n) % 3 > 0,
            np.arange(n),
            duration_s=np.repeat([2.0, 9.0, np.nan], n // 3),
            creator=[f"c{place // 10}" if place < 30 else f"d{place}" for place in range(n)],
            media_sha256=np.repeat(["m", ""], n // 2),
            feed=np.repeat(["one", "two"], n // 2),
            label_source=np.repeat(["drawn at random", "chosen by value"], n // 2),
            metadata=[json.dumps({"sort": place % 2, "id": place}) for place in range(n)],
        )
    )
    found = {(row["column"], row["value"]): row["n"] for row in report["rows"]}
    assert found == {
        ("duration", "up to 5 s"): 20, ("duration", "over 5 to 15 s"): 20,
        ("creator size", "over 5 to 20 clips"): 30, ("creator size", "up to 1 clips"): 30,
        ("modality present", "video and text"): 30, ("modality present", "text"): 30,
        ("label source", "drawn at random"): 30, ("label source", "chosen by value"): 30,
        ("feed", "one"): 30, ("feed", "two"): 30,
        ("metadata.sort", "0"): 30, ("metadata.sort", "1"): 30,
    }  # fmt: skip


def test_a_slice_of_few_clips_or_units_is_not_looked_at():
    lang = np.r_[["de"] * 9, ["es"] * 40, ["en"] * 60]
    units = np.r_[np.arange(9), 100 + np.arange(40) // 10, 200 + np.arange(60)]
    report = slices_report(answered(np.r_[[False] * 49, [True] * 60], units, lang=lang))
    assert [row["value"] for row in report["rows"]] == ["en"]
    assert [(row["value"], row["n"]) for row in report["too_small"]] == [("de", 9), ("es", 40)]
    assert (report["least_units"], report["least_clips"]) == (5, 10)


@pytest.mark.parametrize("right", [True, False])
def test_a_model_that_is_always_or_never_right_is_worse_nowhere(right):
    report = slices_report(answered([right] * 60, np.arange(60), lang=np.repeat(["de", "en"], 30)))
    assert {(row["p_value"], row["worse"]) for row in report["rows"]} == {(1.0, False)}
    assert worst_slice(report) is None


def test_a_loss_in_one_language_is_found_and_chance_alone_rarely_is():
    """Clips of a unit are alike (ICC 0.5); five slices are looked at in each of the runs."""
    runs = 150
    chance = sum(worst_slice(slices_report(world(seed))) is not None for seed in range(runs))
    assert chance / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)
    found = [worst_slice(slices_report(world(seed, units=100, loss=0.5))) or "" for seed in range(40)]
    assert sum("language is de" in one for one in found) >= 0.8 * len(found)
