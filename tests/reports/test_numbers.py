"""Each section of the report by the numbers that it shows, from tables whose values are known."""

import re
from html import unescape
from types import SimpleNamespace

import pytest
from tests.drift_files import drift_told, one_test

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import ANNOTATIONS, CLIPS, DUPLICATES, LABELS, REJECTS, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.labeling.money import Money, MoneyRow
from cu_pipeline.reports.cards import ReportOptions
from cu_pipeline.reports.data_card import data_card, describe_clips
from cu_pipeline.reports.data_page import data_section, render_data_page
from cu_pipeline.reports.labels_section import labels_section, with_evidence
from cu_pipeline.reports.models_section import models_section
from cu_pipeline.reports.page import Illustrated, render_page

ODD = 'food & drink <b>"C++"</b>'
OPTIONS = ReportOptions(thumbnails=0)
RESOLVED = ResolvedCapabilities({ODD: Capability(classes=("a", "b")), "tone": Capability(classes=("a", "b"))})


def _clips():
    splits = ["train"] * 4 + ["validation"] * 2 + ["test"] * 4
    rows = [
        {"clip_id": f"c{number}", "path": f"{number}.mp4" if number < 5 else "", "text": "" if number == 9 else "words"}
        | {"creator": f"creator {number % 3}" if number < 9 else "", "posted_at": ""}
        | {"lang": "en" if number < 7 else "de"}
        | {"media_sha256": "", "text_sha256": "x", "duration_s": 720.0 if number < 5 else float("nan")}
        | {"width": 10.0, "height": 20.0, "fps": 25.0, "codec": "h264", "has_audio": number < 2}
        | {"bytes": 250_000_000 if number < 5 else 0, "group": "", "split": split, "metadata": "{}"}
        for number, split in enumerate(splits)
    ]
    return table(rows, CLIPS)


def _duplicates():
    groups = {"c0": "c0", "c1": "c0", "c2": "c0", "c3": "c3", "c4": "c3"}
    rows = [{"clip_id": clip, "duplicate_group": group, "bits": 0.0} for clip, group in groups.items()]
    return table(rows, DUPLICATES)


def _labels():
    priced = {"c0": ("human", 0.5, False), "c1": ("llm", 0.25, True), "c2": ("llm", 0.25, True)}
    priced |= {f"c{number}": ("human", 0.1, False) for number in range(6, 10)}
    rows = [
        {"clip_id": clip, "capability": ODD, "label": "a" if clip != "c9" else "b", "probability": 0.9}
        | {"probabilities": "{}", "source": source, "annotators": 1, "certified": certified, "price": price}
        for clip, (source, price, certified) in priced.items()
    ]
    return table(rows, LABELS)


def _measured(accuracy, macro_f1, n=4):
    ci95 = {"accuracy": [accuracy - 0.125, accuracy + 0.0625], "macro_f1": [macro_f1 - 0.1, 0.8], "ece": [0.0, 0.3]}
    return {"n": n, "accuracy": accuracy, "macro_f1": macro_f1, "ece": 0.125, "ci95": ci95}


BASELINES = {"majority": _measured(0.625, 0.2), "tfidf_logistic": _measured(0.375, 0.5), "alone": _measured(0.625, 0.1)}
METRICS = {
    ODD: {
        "train": _measured(0.975, 0.965, 31),
        "validation": _measured(0.825, 0.815, 17),
        "test": _measured(0.75, 0.4125),
        "baselines": BASELINES,
        "classes": ["a", "b"],
        "confusion": [[2, 1], [1, 0]],
        "reliability": [{"confidence": 0.75, "accuracy": 0.5, "n": 4}],
        "per_class": {"a": {"precision": 0.91, "recall": 0.82, "f1": 0.73, "support": 3}},
    }
}
ERRORS = [
    {"clip_id": "c7", "truth": "a", "decided": "b", "probability": 0.8, "text": "words"},
    {"clip_id": "c9", "truth": "b", "decided": "a", "probability": 0.7, "text": ""},
]
INSIGHTS = {ODD: {"modalities": [], "learning_curve": None, "why_no_curve": "", "errors": ERRORS}}
MONEY = Money(
    (
        MoneyRow(ODD, "human", 12, 0, 40.001, 40.0, 2.5, {"sent back": 8.0}),
        MoneyRow(ODD, "llm", 30, 1234, 3.004, 3.01, 0.0),
        MoneyRow("tone", "human", 5, 0, 0.5, 0.5, 0.0),
    )
)
SUMMARY = {
    "money": MONEY.as_json(),
    "capabilities": {
        ODD: {
            "coverage": 0.7,
            "cost_per_correct": {"value": 2.5, "ci95": [2.25, 2.75], "basis": "going by people's votes"},
            "agreement": [],
        },
        "tone": {"coverage": 0.0, "cost_per_correct": {"value": None, "ci95": None, "basis": ""}, "agreement": []},
    },
}
DRIFT = drift_told(
    current={"n": 37, "units": 9, "known_units": 2, "requests": 41, "from": None, "to": None},
    tests=[
        one_test("fact_later", p_value=0.031, p_adjusted=0.062, effect=0.25, in_words="longer"),
        one_test("fact_first", drifted=True, p_value=0.004, p_adjusted=0.016, effect=0.75, in_words="longer"),
    ],
)
VERSIONS = {"version": "7", "alias": "champion", "model_version": "abc123"}
DELIVERY = {
    "bento": "cu_pipeline:0a1b",
    "capabilities": {ODD: VERSIONS},
    "parity": {"clips": 3, "max_abs_diff": 3.1e-7, "tolerance": 1e-4},
    "service": {"startup_s": 14.2},
}


@pytest.fixture(scope="module")
def card():
    leakage = {"creators": {"shared": 2}, "captions": {"shared": 0}}
    rejects = table([{"clip_id": "x", "path": "x", "reason": "truncated", "detail": ""}] * 3, REJECTS)
    split_sizes = {name: {"train": 4, "validation": 2, "test": 3} for name in RESOLVED.active}
    about_labels = {"labelled": split_sizes, "shortcuts": dict.fromkeys(RESOLVED.active)}
    checks = {"classes": {ODD: {"a": {"train": 11, "validation": 12, "test": 13}}}, "rare_classes": [], "least": 5}
    about = describe_clips(_clips(), rejects, _duplicates(), leakage)
    return SimpleNamespace(card=data_card(about, about_labels, checks, {}, RESOLVED), rejects=rejects)


@pytest.fixture(scope="module")
def page(card):
    clips, labels = _clips(), _labels()
    counts = labels_section(clips, table([], ANNOTATIONS), labels, RESOLVED)
    gate = {ODD: {"decision": "promote", "reasons": ["better"], "champion": None}}
    queue = [{"meta": {"draw": draw}} for draw in ("random", "random", "value", "gold", "gold", "gold")]
    sections = {
        "data": data_section(card.card, clips, card.rejects, OPTIONS),
        "labels": with_evidence(counts, clips, {}, {}, SUMMARY, queue),
        "models": models_section(METRICS, gate, INSIGHTS, clips, OPTIONS),
    }
    return render_page(Illustrated({name: one.shown for name, one in sections.items()}, {}), DELIVERY, DRIFT, OPTIONS)


def _text(html):
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def _section(page, name):
    return page.split(f'<section id="{name}">')[1].split("</section>")[0]


def _rows(html):
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", html, re.DOTALL)
    return [[_text(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)] for row in rows]


def _tiles(html):
    found = re.findall(r'<div class="tile"><b>(.*?)</b><span>(.*?)</span>', html, re.DOTALL)
    return {_text(words): _text(number) for number, words in found}


def test_the_first_screen_shows_accuracy_money_and_the_best_baseline(page):
    first = _section(page, "glance")
    assert _tiles(first) == {"paid for labels so far": "$43.51", "drift: 37 served clips": "drift"}
    assert "75 % right of 4 test clips; likely 62 to 81 %" in _text(first)
    assert "The best simple model (always the commonest answer) is right on 62 %, this one on 75 %." in _text(first)


def test_the_data_section_counts_clips(page):
    assert _tiles(_section(page, "data")) == {
        "usable clips": "10",
        "with video": "5",
        "creators": "3",
        "median duration, 1.00 h in all": "720.0 s",
        "repeat others": "3",
        "refused": "3",
    }
    rows = _rows(_section(page, "data"))
    assert [row[:2] for row in rows[:3]] == [["train", "4"], ["validation", "2"], ["test", "4"]]
    assert ["truncated", "the file ends too early", "3"] in rows


def test_the_data_card_shows_hours_gigabytes_and_repeated_clips(card, tmp_path):
    html = render_data_page(card.card, _clips(), _duplicates(), tmp_path, OPTIONS, LocalMapper(1))
    tiles = _tiles(html)
    assert tiles["of video, 1.25 GB"] == "1.00 h"
    assert (tiles["usable clips"], tiles["creators"], tiles["clips repeat others"]) == ("10", "3", "3")
    assert (tiles["warnings"] if "warnings" in tiles else tiles["warning"]) == str(len(card.card["warnings"]))
    shown = {tuple(row[:2]) for row in _rows(html)}
    assert {("video", "5"), ("sound", "2"), ("caption", "9"), ("en", "7"), ("de", "3")} <= shown
    assert "11" in _text(_section(html, "classes"))


def test_the_labels_section_shows_money_and_certified_labels(page):
    labels = _section(page, "labels")
    assert _tiles(labels) == {"labels": "7", "paid so far": "$43.51", "certified": "2"}
    rows = _rows(labels)
    assert [ODD, "people", "12", "0", "$40.00 of which $8.00 for answers sent back", "$2.50"] in rows
    assert [ODD, "language model", "30", "1,234", "$3.01", "$0.00"] in rows
    assert ["all", "", "47", "1,234", "$43.51 of which $8.00 for answers sent back", "$2.50"] in rows
    assert ["people", "5", "0.90", "0"] in rows
    assert ["language model", "2", "0.90", "2"] in rows
    assert [row[:2] for row in rows if row[0] in {"a", "b"}] == [["a", "6"], ["b", "1"]]
    assert "Until now a right label has cost $2.50, 95 % interval $2.25 to $2.75, going by people" in _text(labels)
    assert "6 clips are in the queue: 2 drawn at random, 1 by value, 3 with a known answer" in _text(labels)


def test_who_got_most_money_stands_first():
    assert [(row.source, row.usd) for row in MONEY.by_source()] == [("human", 40.5), ("llm", 3.01)]


def test_the_models_section_shows_the_model_first_then_the_baselines_as_measured(page):
    rows = _rows(_section(page, "models"))
    assert rows[1:4] == [
        ["Accuracy", "0.750 0.625 to 0.812"],
        ["Macro-F1", "0.412 0.312 to 0.800"],
        ["Calibration error", "0.125 0.000 to 0.300"],
    ]
    assert rows[5:9] == [
        ["this model", "0.750 0.625 to 0.812", "0.412 0.312 to 0.800"],
        ["always the commonest answer", "0.625 0.500 to 0.688", "0.200 0.100 to 0.800"],
        ["alone", "0.625 0.500 to 0.688", "0.100 0.000 to 0.800"],
        ["words of the caption", "0.375 0.250 to 0.438", "0.500 0.400 to 0.800"],
    ]
    assert ["a", "0.91", "0.82", "0.73", "3"] in rows
    assert ["train", "31", "0.975", "0.965", "0.125"] in rows
    assert ["validation", "17", "0.825", "0.815", "0.125"] in rows


def test_the_surest_mistakes_stand_with_what_people_said(page):
    models = _text(_section(page, "models").split("Surest mistakes on test clips")[1])
    assert models.index("said b, 80 % sure people: a words") < models.index("said a, 70 % sure people: b")


def test_the_drift_section_shows_what_drifted_with_its_numbers_in_their_places(page):
    rows = _rows(_section(page, "drift"))
    assert ["What", "Change", "Effect", "adjusted p", "Verdict"] in rows
    assert ["first", "longer", "0.75", "0.016", "drifted"] in rows
    assert not any(row[0] == "later" for row in rows)


def test_the_service_section_shows_what_is_served(page):
    service = _section(page, "service")
    assert [ODD, "7", "champion", "abc123"] in _rows(service)
    assert "3 clips were sent to it: its probabilities differ from the offline ones by at most 3.1e-07" in _text(
        service
    )
    assert "It was ready after 14.2 s." in _text(service)


def test_a_name_with_marks_of_html_is_shown_as_it_is(page, foreign_loads):
    assert ODD not in page
    assert ODD in _text(page)
    assert foreign_loads(page) == []


def test_no_clips_are_no_gigabytes():
    nothing = describe_clips(_clips().iloc[:0], table([], REJECTS), table([], DUPLICATES), {})
    assert (nothing["clips"]["n"], nothing["clips"]["gigabytes"], nothing["clips"]["median_s"]) == (0, 0.0, None)
