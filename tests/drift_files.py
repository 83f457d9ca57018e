"""Whole `drift.json` files and the clips that they are about, for tests of all that reads them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
LONG = "a_name_of_a_test_that_somebody_made_far_too_long_for_any_column_of_any_table"
TOPICS = ("烹饪与美食", "football", "comedy sketches and pranks by teenagers", "</script><b>")


def one_test(name: str, *, drifted: bool = False, window: str = "latest", **other: Any) -> dict[str, Any]:
    found = {"name": name, "window": window, "kind": name.partition("_")[0], "method": "units", "statistic": 3.1}
    found |= {"p_value": 0.0005 if drifted else 0.4, "p_adjusted": 0.006 if drifted else 1.0}
    found |= {"effect": 0.43 if drifted else 0.04, "effect_low": 0.31 if drifted else -0.02}
    found |= {"effect_high": 0.55 if drifted else 0.11, "least_effect": 0.1, "drifted": drifted}
    return found | {"in_words": "median 2.1 → 4.4" if drifted else "median 2.1 → 2.2"} | other


def cause_told(kind: str = "new_topic", **other: Any) -> dict[str, Any]:
    found = {"kind": kind, "in_words": "a new topic in 12 % of the clips: 宠物 (pets), such as 'my dog'", "share": 0.12}
    found |= {"since": "2026-03-03T14:00:00Z", "request_ids": ["r1", "r2"], "tests": ["novelty_frames"], "trains": True}
    return found | other


def drift_told(decision: str = "drift", *, number: int = 1, **other: Any) -> dict[str, Any]:
    """Give the `drift` dataset of one look; `number` makes it another look, a day later."""
    time = NOON + timedelta(days=number - 1)
    drifted = decision == "drift"
    some = decision != "not_enough_data"
    tests = [
        one_test("fact_duration_s", drifted=drifted),
        one_test("label_topic", drifted=drifted, in_words="烹饪与美食 20 % → 31 %"),
        one_test("confidence_topic"),
        one_test("missing_caption"),
        one_test("novelty_frames", drifted=drifted, in_words="9 % → 21 % of the clips are far from all known ones"),
        one_test("fact_duration_s", window="since_decision"),
    ]
    window = {"start": (time - timedelta(days=6)).isoformat(), "end": time.isoformat(), "requests": 44}
    latest = {"name": "latest", "clips": 40, "units": 16, "known_units": 9} | window
    estimate = {"accuracy": 0.71, "low": 0.6, "high": 0.8, "method": "calibrated confidence", "clips": 40, "audits": 0}
    found = {
        "decision": decision,
        "reason": None if some else "only the product's own clips",
        "notices": [],
        "all_clear": decision == "no_drift",
        "alpha": 0.05,
        "look": {"id": f"look{number}", "time": time.isoformat(), "alpha": 0.0123, "horizon_days": 30},
        "windows": [latest, latest | {"name": "since_decision", "clips": 60, "units": 21}] if some else [],
        "references": {"topic": {"versions": ["a1b2c3d4e5f6"], "clips": 170, "units": 51}},
        "current": {"n": 60 if some else 0, "units": 21, "known_units": 9, "requests": 44, "from": None, "to": None},
        "tests": tests if some else [],
        "skipped": {"embedding_captions": "the reference and the served models read other features"},
        "causes": [cause_told()] if drifted else [],
        "quality": {"topic": estimate | {"trusted": not drifted, "why": "the clips are new" if drifted else ""}},
        "needed": [{"question": "a new topic at 10 %", "clips": 900}, {"question": "a fault", "clips": None}],
        "summary": "Drift: 3 of 6 tests tell these 40 clips from the reference." if drifted else "No drift found.",
        "inputs_sha256": f"{number:064x}",
    }
    return found | other


def clips_told(n: int = 60, *, shift: float = 0.0, seed: int = 0, start: datetime = NOON) -> pd.DataFrame:
    """Give clips as references and traffic have them."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        p = rng.dirichlet([1 + 3 * shift, 1, 1, 1])
        probabilities = dict(zip(TOPICS, p.tolist(), strict=True))
        row = {"clip_id": f"c{number:03}", "request_id": f"r{number}", "group": f"creator:{number % 17}"}
        row |= {"time": start - timedelta(hours=2 * (n - number)), "duration_s": float(rng.exponential(2) + 3 * shift)}
        row |= {"has_caption": bool(rng.random() > 0.3 * shift), "embedding": rng.normal(size=6).tolist()}
        row |= {"parts": json.dumps({"frames@1a": 4, "captions@2b": 2})}
        row |= {"labels": json.dumps({"topic": max(probabilities, key=lambda key: probabilities[key])})}
        rows.append(row | {"predictions": json.dumps({"topic": probabilities})})
    return pd.DataFrame(rows)
