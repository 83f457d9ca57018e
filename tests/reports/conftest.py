import json
from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tests.drift_files import drift_told

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.records import ANNOTATIONS, CLIPS, DUPLICATES, LABELS, PREDICTIONS, REJECTS, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.reports.data_card import data_card, describe_clips, describe_labels

HOSTILE = "<script>alert(1)</script> \"quoted\" & 'single' {{ 7 * 7 }}"
TOPICS = ("cooking", "football", "comedy", "travel")
FLAGS = ("advert", "violence")


def clips(n):
    rows = []
    for number in range(n):
        text = HOSTILE if number == 0 else f"clip {number}: a caption #tag{number % 5}"
        split = ("train", "train", "train", "validation", "test")[number % 5]
        row = {"clip_id": f"c{number:03}", "path": "", "text": text, "creator": f"creator_{number % 17}"}
        row |= {"posted_at": "", "lang": ("en", "de", "hi")[number % 3], "media_sha256": "", "text_sha256": "x"}
        row |= {"duration_s": np.nan, "width": np.nan, "height": np.nan, "fps": np.nan, "codec": ""}
        row |= {"has_audio": False, "bytes": 0, "group": row["creator"], "split": split, "metadata": "{}"}
        rows.append(row)
    return table(rows, CLIPS)


def with_media(frame, paths, rng):
    frame = frame.copy()
    paths = list(paths)
    some = frame.index[: len(paths)]
    frame.loc[some, "path"] = [str(path) for path in paths]
    frame.loc[some, "media_sha256"] = [f"{number:064x}" for number in range(len(paths))]
    frame.loc[some, "duration_s"] = rng.uniform(2, 5, len(paths)).round(1)
    frame.loc[some, ["width", "height", "fps"]] = [720.0, 1280.0, 25.0]
    frame.loc[some, ["codec", "bytes"]] = ["h264", 300_000]
    return frame


def _answers(frame, capability, classes, rng, multi):
    labels, predictions, annotations = [], [], []
    for clip_id, split in zip(frame["clip_id"], frame["split"], strict=True):
        truth = rng.choice(classes) if not multi else ("|".join(c for c in classes if rng.random() < 0.2) or "none")
        said = truth if rng.random() < 0.8 else (classes[0] if not multi else "none")
        sure = float(rng.uniform(0.5, 1))
        source = ("human", "human", "llm", "rule")[rng.integers(4)] if split == "train" else "human"
        price = {"human": 0.12, "llm": 0.0004, "rule": 0.0}[source]
        labels.append([clip_id, capability, truth, 0.95, "{}", source, 2, source == "human", price])
        predictions.append(
            [clip_id, capability, split, said, sure, json.dumps(dict.fromkeys(classes, 0.5)), "a1b2c3d4e5f6", ""]
        )
        for person in ("anna", "ben"):
            label = truth if rng.random() < 0.9 else classes[-1]
            annotations.append([clip_id, capability, person, "human", label, np.nan, "", 0.06, "", ""])
    return labels, predictions, annotations


def _evidence(frame, capabilities):
    machine = {"source": "llm", "price": 0.0004, "answers": 30, "calibration_answers": 90, "right": 81}
    found = {"sources": [machine | {"accuracy": 0.9, "accuracy_ci95": [0.82, 0.95]}], "error_bound": None}
    suspect = {"clip_id": frame["clip_id"].iloc[0], "label": "cooking", "suggested": "comedy", "score": 0.125}
    summary = {
        "money": [
            {"source": "human", "annotations": 240, "usd": 9.6, "tokens": 0}
            | {"unused": {"sent back": {"annotations": 27, "usd": 1.08}}},
            {"source": "llm", "annotations": 30, "usd": 0.012, "tokens": 900, "unused": {}},
        ],
        "coverage": 1.0,
        "cost_per_correct": {"value": 0.084, "ci95": [0.08, 0.088]},
        "agreement": [{"sources": ["human", "llm"], "clips": 90, "agreement": 0.9, "ci95": [0.82, 0.95]}],
    }
    return SimpleNamespace(
        guarantee={name: found | {"message": f"{name}: no machine label is certified"} for name in capabilities},
        errors={name: {"clips": len(frame), "suspects": [suspect]} for name in capabilities},
        summary=dict.fromkeys(capabilities, summary),
        queue=[{"meta": {"draw": draw}} for draw in ("random", "value", "value", "gold")],
    )


def _numbers(accuracy, n=None):
    found = {"accuracy": accuracy, "macro_f1": accuracy - 0.031, "ece": 0.0712}
    if n:
        found["n"] = n
    found["ci95"] = {key: [max(0, value - 0.07), min(1, value + 0.06)] for key, value in found.items() if key != "n"}
    return found


def _metrics(classes, multi):
    k = len(classes)
    confusion = np.full((k, k), 1) + 9 * np.eye(k, dtype=int)
    several = {name: [[30, 2], [3, 9]] for name in classes}
    plain = {"n": 144, "accuracy": 0.97, "macro_f1": 0.96, "ece": 0.02}
    return {
        "train": plain,
        "validation": plain | {"n": 48},
        "test": _numbers(0.8125, 48),
        "baselines": {
            name: _numbers(value)
            for name, value in (("majority", 0.25), ("tfidf", 0.6), ("frame_features", 0.55), ("metadata", 0.31))
        },
        "classes": list(classes),
        "confusion": several if multi else confusion.tolist(),
        "reliability": [
            {"confidence": c, "accuracy": max(0, c - 0.05), "n": int(40 * c)} for c in (0.35, 0.55, 0.75, 0.95)
        ],
        "per_class": {name: {"precision": 0.8, "recall": 0.77, "f1": 0.785, "support": 12} for name in classes},
    }


def _insights(frame):
    """All that is told beside the numbers; the mistakes are of the first two clips, the first with hostile text."""
    points = [
        {"clips": clips, "units": clips // 5, "accuracy": right, "loss": 0.5, "standard_error": 0.02}
        for clips, right in ((20, 0.5), (40, 0.61), (80, 0.7), (160, 0.76))
    ]
    ahead = {"clips": 1240, "more": 1000, "accuracy": 0.84, "low": 0.79, "high": 0.9, "gain": 0.052}
    ahead |= {"gain_low": 0.014, "gain_high": 0.091}
    ahead["in_words"] = "1,000 more labelled clips are expected to bring 5.2 points [1.4, 9.1]"
    parts = [
        {"modality": "caption", "accuracy_without": 0.625, "part": 0.1875, "ci95": [0.1, 0.27]},
        {"modality": "screen_text", "accuracy_without": 0.8333, "part": -0.0208, "ci95": [-0.06, 0.02]},
    ]
    mistakes = [
        {"clip_id": clip, "truth": "cooking", "decided": "comedy", "probability": 0.97, "text": text}
        for clip, text in zip(frame["clip_id"][:2], frame["text"][:2], strict=True)
    ]
    curve = {"asked": 168, "known": 240, "points": points, "forecast": ahead, "of": "0"}
    return {"modalities": parts, "learning_curve": curve, "why_no_curve": "", "errors": mistakes}


DELIVERY = {
    "bento": "cu_pipeline:0a1b2c3d4e5f",
    "bentoml_home": "data/06_models/bentoml",
    "capabilities": {
        name: {"version": "3", "alias": "champion", "model_version": "a1b2c3d4e5f6"} for name in ("topic", "safety")
    },
    "parity": {"clips": 3, "max_abs_diff": 3.1e-7, "tolerance": 1e-4},
    "service": {"startup_s": 14.2, "replayed": 40, "refused": 0, "clips_per_s": 3.1},
}


LEAKAGE = {
    "clips": {},
    **{kind: {"shared": 0, "examples": []} for kind in ("creators", "duplicate_groups", "captions", "common_captions")},
}

CHECKS = {
    "classes": {
        "topic": {name: {"train": 9, "validation": 6, "test": number} for number, name in enumerate(TOPICS, 3)},
        "safety": {name: {"train": 20, "validation": 6, "test": 6} for name in FLAGS},
    },
    "rare_classes": [{"capability": "topic", "class": "cooking", "train": 9, "validation": 6, "test": 3}],
    "least": 5,
}

ANNA = {"votes": 40, "peer_agreement": 0.9, "accuracy": 0.93, "verdict": "informative"}
AGREEMENT = {"topic": {"topic": {"alpha": 0.81, "alpha_ci95": [0.7, 0.9], "annotators": {"anna": ANNA}}}}


def _duplicates(frame):
    """Give two groups: of three clips and of two."""
    rows = [
        {"clip_id": clip, "duplicate_group": frame["clip_id"].iloc[first], "bits": bits}
        for first, members in ((0, 3), (5, 2))
        if len(frame)
        for clip, bits in zip(frame["clip_id"].iloc[first : first + members], (0.0, 0.0, 7.25), strict=False)
    ]
    return table(rows, DUPLICATES)


@pytest.fixture(scope="session")
def duplicates():
    return _duplicates


@pytest.fixture(scope="session")
def make_results():
    cards = {}

    def card_of(frame, rejects, labels, resolved):
        """Give the data card; it takes a while, and depends on these alone."""
        key = (len(frame), frame["bytes"].sum(), tuple(resolved.active))
        if key not in cards:
            about_clips = describe_clips(frame, rejects, _duplicates(frame), LEAKAGE)
            about_labels = describe_labels(frame, labels, resolved, 0)
            cards[key] = data_card(about_clips, about_labels, CHECKS, AGREEMENT, resolved)
        return cards[key]

    def make(n=120, paths=(), capabilities=("topic", "safety")):
        rng = np.random.default_rng(0)
        frame = with_media(clips(n), paths, rng)
        classes = {"topic": TOPICS, "safety": FLAGS}
        rows = {name: _answers(frame, name, classes[name], rng, name == "safety") for name in capabilities}
        labels, predictions, annotations = ([row for name in rows for row in rows[name][part]] for part in range(3))
        gate = {"decision": "promote", "test": "", "p_value": None, "effect": None, "challenger": "a", "champion": None}
        rejects = [["bad1", "videos/broken.mp4", "truncated", HOSTILE], ["bad2", "a.txt", "not_media", "no container"]]
        rejects = table(pd.DataFrame(rejects, columns=list(REJECTS)), REJECTS)
        labels = table(pd.DataFrame(labels, columns=list(LABELS)), LABELS)
        active = {
            name: Capability(kind=Kind.MULTI if name == "safety" else Kind.SINGLE, classes=tuple(classes[name]))
            for name in capabilities
        }
        skipped = {} if "safety" in capabilities else {"safety": "the feed has no label for it"}
        resolved = ResolvedCapabilities(active, skipped=skipped)
        return SimpleNamespace(
            clips=frame,
            data_card=card_of(frame, rejects, labels, resolved),
            annotations=table(pd.DataFrame(annotations, columns=list(ANNOTATIONS)), ANNOTATIONS),
            rejects=rejects,
            labels=labels,
            label_evidence=_evidence(frame, capabilities),
            capabilities=resolved,
            predictions=table(pd.DataFrame(predictions, columns=list(PREDICTIONS)), PREDICTIONS),
            metrics={name: _metrics(classes[name], name == "safety") for name in capabilities},
            insights={name: _insights(frame) for name in capabilities},
            gate={name: gate | {"reasons": ["there is no champion yet"]} for name in capabilities},
            delivery=deepcopy(DELIVERY),
            drift=drift_told(),
        )

    return make
