"""Each kind of drift in a world of six classes, whose cause must be named; the alarm comes from the real tests."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.drift.causes.answers import told_apart
from cu_pipeline.drift.compare import compare
from cu_pipeline.drift.diagnosis import CauseKind, DiagnosisOptions, diagnose
from cu_pipeline.drift.looks import Look
from cu_pipeline.drift.options import DriftOptions
from cu_pipeline.drift.samples import ClipSample

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
BOTH = ("train", "validation")
OPTIONS = DriftOptions(permutations=299, reference_splits=BOTH, prediction_splits=BOTH)
CLASSES = tuple("abcdef")
PARTS = {"frames@1": 20, "captions@2": 12}
_WORLD = np.random.default_rng(5)
CENTRES = {"frames": _WORLD.normal(size=(6, 20)) * 1.6, "captions": _WORLD.normal(size=(6, 12)) * 1.6}
TOPIC = {"frames": _WORLD.normal(size=20) * 2.2, "captions": _WORLD.normal(size=12) * 2.2}
STYLE = {"frames": _WORLD.normal(size=20) * 1.5, "captions": _WORLD.normal(size=12) * 1.5}


def clips(n, rng, creators=80, shares=None, first=0, start=NOON):
    """Clips of creators with habits; a model that has learned the classes' centres answers."""
    habits = rng.normal(scale=0.4, size=(creators, 32))
    of = rng.integers(creators, size=n)
    truth = rng.choice(6, n, p=shares)
    vectors = np.concatenate([CENTRES["frames"][truth], CENTRES["captions"][truth]], axis=1)
    vectors = vectors + habits[of] + rng.normal(size=(n, 32))
    table = pd.DataFrame(
        {
            "request_id": [f"r{first + row}" for row in range(n)],
            "clip_id": [f"c{first + row}" for row in range(n)],
            "content": [f"m{first + row}/t" for row in range(n)],
            "time": [start + timedelta(minutes=10 * row) for row in range(n)],
            "split": "train",
            "group": [f"creator:{first + one}" for one in of],
            "truth": [CLASSES[one] for one in truth],
            "truth_source": "human",
            "parts": json.dumps(PARTS),
            "language": rng.choice(["en", "de"], n, p=[0.8, 0.2]),
            "client": "app/1",
            "decoder": "pyav",
            "requests": 1,
            "has_caption": 1.0,
            "has_video": 1.0,
            "has_sound": 1.0,
            "duration_s": rng.exponential(2, n) + 1,
            "width": 640.0,
            "height": 360.0,
            "fps": 25.0,
            "bytes": rng.integers(10**4, 10**5, n).astype(float),
            "text_length": rng.poisson(40, n).astype(float),
            "embedding": list(vectors.astype(np.float16)),
        }
    )
    return answered(table)


def answered(table):
    vectors = np.stack(table["embedding"].tolist()).astype(float)
    far = [
        ((vectors[:, None, :20] - CENTRES["frames"]) ** 2).sum(2),
        ((vectors[:, None, 20:] - CENTRES["captions"]) ** 2).sum(2),
    ]
    has = (np.abs(vectors[:, 20:]).max(axis=1) > 0)[:, None]
    logits = -0.25 * (far[0] + np.where(has, far[1], 0))
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    table["predictions"] = [json.dumps({"topic": dict(zip(CLASSES, map(float, row), strict=True))}) for row in shares]
    table["labels"] = [json.dumps({"topic": CLASSES[int(row.argmax())]}) for row in shares]
    table["abstained"] = json.dumps({"topic": False})
    table["versions"] = json.dumps({"topic": "v1"})
    return table


def moved(table, rows, change):
    """Change the vectors of some rows: (rows, frames), (rows, captions) in and out."""
    vectors = np.stack(table["embedding"].tolist()).astype(float)
    vectors[rows, :20], vectors[rows, 20:] = change(vectors[rows, :20], vectors[rows, 20:])
    return answered(table.assign(embedding=list(vectors.astype(np.float16))))


def without_captions(table, rows, _, rng):
    table.loc[rows, ["has_caption", "text_length", "language", "client"]] = [0.0, 0.0, "", "app/9"]
    return moved(table, rows, lambda frames, captions: (frames, 0 * captions))


def with_one_picture(table, rows, _, rng):
    return moved(table, rows, lambda frames, captions: (np.full_like(frames, 0.5), captions))


def of_a_new_topic(table, rows, _, rng):
    noise = [rng.normal(scale=0.7, size=(len(rows), width)) for width in PARTS.values()]
    return moved(table, rows, lambda *_: (TOPIC["frames"] + noise[0], TOPIC["captions"] + noise[1]))


def in_a_new_style(table, rows, _, rng):
    return moved(table, rows, lambda frames, captions: (frames + STYLE["frames"], captions))


def in_new_words(table, rows, _, rng):
    return moved(table, rows, lambda frames, captions: (frames, captions + 1.6 * STYLE["captions"]))


def in_other_shares(table, _, late, rng):
    others = clips(len(late), rng, 100, [0.4, 0.2, 0.1, 0.1, 0.1, 0.1], 20_000)
    table.loc[late] = others.assign(time=table["time"].to_numpy()[late]).set_axis(late)
    return table


def sent_again(table, rows, late, rng):
    copies = table.loc[late[:4]].iloc[np.arange(len(rows)) % 4].set_axis(rows)
    kept = table.loc[rows, ["request_id", "time", "content"]]
    table.loc[rows] = copies.assign(**kept, group=[f"creator:s{one % 15}" for one in rows])
    return table


def in_french(table, rows, _, rng):
    table.loc[rows, "language"] = "fr"
    return table


def by_a_new_client(table, rows, _, rng):
    table.loc[rows, ["client", "width", "height"]] = ["app/2", 320.0, 180.0]
    return table


def drifted(change, rng, n=500, share=0.2):
    """Traffic of which the last two thirds have drifted, what else is known of it, and when it began."""
    table = clips(n, rng, creators=100, first=10_000)
    late = np.arange(n // 3, n)
    rows = np.sort(rng.choice(late[4:], int(share * len(late)), replace=False))
    table = change(table, rows, late, rng) if change else table
    seen = {}
    names = table["request_id"].tolist()
    firsts = [seen.setdefault(row.tobytes(), name) for row, name in zip(table["embedding"], names, strict=True)]
    near = [first if first != name else "" for first, name in zip(firsts, names, strict=True)]
    traffic = SimpleNamespace(
        answers=table[["time", "request_id", "group", "content"]].assign(latency_ms=50.0),
        repeats=pd.DataFrame(columns=["time", "content"]),
        refusals=pd.DataFrame(columns=["time", "reason", "requests"]),
        near_repeats=pd.Series(near, index=table.index, dtype=object),
    )
    return ClipSample(table), traffic, table["time"].iloc[late[0]]


EXPECTED = {
    without_captions: CauseKind.UPSTREAM_FAULT,
    with_one_picture: CauseKind.UPSTREAM_FAULT,
    of_a_new_topic: CauseKind.NEW_TOPIC,
    in_a_new_style: CauseKind.NEW_STYLE,
    in_new_words: CauseKind.NEW_STYLE,
    in_other_shares: CauseKind.MIX,
    sent_again: CauseKind.REUPLOADS,
    in_french: CauseKind.NEW_LANGUAGE,
    by_a_new_client: CauseKind.CLIENT,
}
TRAINS = {CauseKind.NEW_TOPIC, CauseKind.NEW_STYLE, CauseKind.MIX, CauseKind.NEW_LANGUAGE}


@pytest.fixture(scope="module")
def reference():
    return {"topic": ClipSample(clips(600, np.random.default_rng(1), creators=150))}


def found(reference, change, seed, share=0.2):
    current, traffic, began = drifted(change, np.random.default_rng(seed), share=share)
    return *diagnosed(reference, current, traffic, seed), began


def diagnosed(reference, current, traffic, seed=0):
    comparison = compare(reference, current, {"topic": Kind.SINGLE}, OPTIONS, seed, Look("x", NOON, 0.05))
    return comparison, diagnose(comparison, reference, current, traffic, DiagnosisOptions())


NIGHTLY = [pytest.param(seed, marks=pytest.mark.nightly) for seed in (1, 2)]


@pytest.mark.parametrize("change", EXPECTED)
@pytest.mark.parametrize("seed", [0, *NIGHTLY])
def test_each_cause_is_named_first_with_since_when_and_who(reference, change, seed):
    comparison, causes, began = found(reference, change, seed, share=0.4 if change is sent_again else 0.2)
    assert comparison.decision == "drift"
    first = causes[0]
    assert (first.kind, first.trains) == (EXPECTED[change], EXPECTED[change] in TRAINS)
    assert first.tests
    assert 0.05 < first.share < 0.45
    assert first.request_ids
    assert first.since is None or abs(first.since - began) < timedelta(hours=18)
    json.dumps(first.to_json())


def test_of_a_fault_the_client_and_the_moment_are_told(reference):
    _, (first, *_), began = found(reference, without_captions, 3, share=0.6)
    assert "captions are missing in" in first.in_words
    assert "nearly all of them of the client app/9" in first.in_words
    assert f"since {first.since:%Y-%m-%d %H:%M}" in first.in_words
    assert abs(first.since - began) < timedelta(hours=3)


def test_without_drift_there_is_no_cause(reference):
    comparison, causes, _ = found(reference, None, 1)
    assert (comparison.decision, causes) == ("no_drift", [])


def test_files_that_are_refused_more_often_than_before_are_a_fault(reference):
    current, traffic, began = drifted(in_french, np.random.default_rng(0))
    started = current.table["time"].iloc[0]
    late = current.table[current.table["time"] >= began].reset_index(drop=True)
    traffic.refusals = pd.DataFrame({"time": [started, began], "reason": ["truncated"] * 2, "requests": [2, 90]})
    comparison, _ = diagnosed(reference, ClipSample(late), traffic)
    first, second = diagnose(comparison, reference, current, traffic, DiagnosisOptions())
    assert (first.kind, second.kind) == (CauseKind.UPSTREAM_FAULT, CauseKind.NEW_LANGUAGE)
    assert "of requests are refused" in first.in_words
    assert "'truncated'" in first.in_words


def test_what_no_cause_explains_is_said(reference):
    current, traffic, _ = drifted(None, np.random.default_rng(1))
    current.table["fps"] = 50.0
    _, (only,) = diagnosed(reference, current, traffic)
    assert (only.kind, only.tests) == (CauseKind.UNKNOWN, ("fact_fps",))
    assert "no known cause explains fact_fps" in only.in_words


def test_models_tell_nothing_apart_of_what_they_do_not_know_or_take_for_one():
    sure = np.eye(6)[np.arange(60) % 6]
    assert told_apart(sure) == pytest.approx(np.log2(6))
    assert told_apart(0.02 * sure + 0.98 / 6) < 0.1
    assert told_apart(sure[[0] * 60]) == 0
