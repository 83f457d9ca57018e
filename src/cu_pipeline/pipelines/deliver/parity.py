"""What the service must answer, and whether it does."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from cu_pipeline.core.errors import DeliveryError
from cu_pipeline.core.hashing import unit_interval
from cu_pipeline.core.paths import from_stored
from cu_pipeline.core.records import Split
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.models.bundle import Bundle

Probabilities = Mapping[str, float]
Answers = Mapping[str, Probabilities]
"""capability -> class -> probability"""


def choose(
    clips: pd.DataFrame, predictions: pd.DataFrame, parity: int, replay: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Choose the clips to send: the same ones in every run over the same data.

    Args:
        clips: the table of clips.
        predictions: the table of predictions.
        parity: number of clips to compare: predicted ones, those with media and of the test split first.
        replay: number of further clips of the test split.

    Returns:
        The clips to compare and those to replay.
    """
    order = clips.assign(
        predicted=clips["clip_id"].isin(predictions["clip_id"]),
        test=clips["split"] == Split.TEST,
        media=clips["path"] != "",
        place=clips["clip_id"].map(unit_interval),
    ).sort_values(["predicted", "test", "media", "place"], ascending=[False, False, False, True])
    compared = order.head(parity)
    rest = order.drop(compared.index)
    return compared[clips.columns], rest[rest["test"]].sort_values("place").head(replay)[clips.columns]


def expected(clips: pd.DataFrame, predictions: pd.DataFrame, champions: Mapping[str, Bundle]) -> dict[str, Answers]:
    """Give clip -> what the champions answer offline.

    These are the stored predictions where the champion made them, and its answer now where it is an older
    model than the one that was evaluated.
    """
    relevant = predictions[predictions["clip_id"].isin(clips["clip_id"])]
    keys = zip(relevant["clip_id"], relevant["capability"], relevant["model_version"], strict=True)
    stored = dict(zip(keys, map(json.loads, relevant["probabilities"]), strict=True))
    predictor: Predictor | None = None
    answers: dict[str, Answers] = {}
    for clip, path, text in zip(clips["clip_id"], clips["path"], clips["text"], strict=True):
        wanted = {name: (clip, name, bundle.version) for name, bundle in champions.items()}
        now: Answers = {}
        if not stored.keys() >= set(wanted.values()):
            predictor = predictor or Predictor(dict(champions))
            now = predictor.predict(from_stored(path) if path else None, text).probabilities
        answers[clip] = {name: stored[key] if key in stored else now[name] for name, key in wanted.items()}
    return answers


def check_parity(
    served: Mapping[str, Any], offline: Mapping[str, Answers], versions: Mapping[str, str], tolerance: float
) -> float:
    """Compare the service's answers with the offline ones.

    Args:
        served: clip -> body of its answer.
        offline: clip -> capability -> class -> probability.
        versions: capability -> version of the bundle that must have answered.
        tolerance: largest difference that is accepted.

    Returns:
        The largest difference.

    Raises:
        DeliveryError: an answer lacks a capability or class, is of another model, or differs; names all cases.
    """
    problems: list[str] = []
    largest = 0.0
    for clip, answers in offline.items():
        capabilities = served[clip]["capabilities"]
        if set(capabilities) != set(answers):
            problems.append(f"clip {clip}: capabilities {sorted(capabilities)} instead of {sorted(answers)}")
            continue
        for name, wanted in answers.items():
            where = f"clip {clip}, {name}"
            if (version := capabilities[name]["model_version"]) != versions[name]:
                problems.append(f"{where}: answered by model {version} instead of {versions[name]}")
            difference = _difference(capabilities[name]["probabilities"], wanted)
            if not difference <= tolerance:
                problems.append(f"{where}: differs by {difference:.2g}")
            largest = max(largest, difference)
    if problems:
        raise DeliveryError(
            f"the service does not answer as the models do offline (tolerance {tolerance:g}):\n{_lines(problems)}"
        )
    return largest


def _difference(served: Probabilities, offline: Probabilities) -> float:
    """Give the largest difference; infinite when the classes differ or a number is missing."""
    if set(served) != set(offline):
        return float("inf")
    differences = [abs(served[name] - offline[name]) for name in offline]
    return max((gap if gap == gap else float("inf") for gap in differences), default=0.0)  # noqa: PLR0124 - NaN


def _lines(problems: Iterable[str]) -> str:
    return "\n".join(f"- {problem}" for problem in problems)
