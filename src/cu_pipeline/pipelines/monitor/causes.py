import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cu_pipeline.core.lean import places
from cu_pipeline.core.paths import project_root
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.core.units import content_name
from cu_pipeline.drift.compare import Comparison, DriftDecision
from cu_pipeline.drift.diagnosis import Cause, CauseKind, diagnose
from cu_pipeline.drift.diagnosis_options import DiagnosisOptions, QualityOptions
from cu_pipeline.drift.quality import QualityEstimate, estimate_quality
from cu_pipeline.drift.samples import ClipSample
from cu_pipeline.inference.prediction_log import read_feedback
from cu_pipeline.inference.prediction_log.notices import notices
from cu_pipeline.inference.prediction_log.traffic import Traffic
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.rollout import plan

_log = logging.getLogger(__name__)

_SERVED = "data/06_models/champions"
_RANDOM = "random"


def read_references(champions: dict[str, Bundle]) -> dict[str, pd.DataFrame]:
    """Read what each served model says of the clips that it learned from.

    Returns:
        capability -> table, as `Reference.table` gives it; a model of an earlier version tells nothing, and is left
        out.
    """
    return {name: one.reference.table() for name, one in champions.items() if one.reference is not None}


def gather_notices(
    prediction_log: str, delivery: dict[str, Any], traffic: Traffic, champions: dict[str, Bundle]
) -> list[str]:
    """Gather what must be said before anything is concluded from the traffic.

    Returns:
        Sentences, the gravest first.
    """
    delivered = {name: entry["model_version"] for name, entry in delivery["capabilities"].items()}
    rollouts = sorted(plan.running(plan.rollouts_folder(project_root() / _SERVED)))
    found = notices(prediction_log, delivered, traffic, rollouts)
    found += [
        f"{name}: the served model {bundle.version} was trained by an earlier version and does not tell what it "
        "learned from, so its traffic is compared with nothing. Remedy: `kedro run --pipelines=train,evaluate,deliver` "
        "adds that where nothing else has changed, and trains it again where something has"
        for name, bundle in champions.items()
        if bundle.reference is None
    ]
    for sentence in found:
        _log.warning("%s", sentence)
    return found


def diagnose_drift(
    comparison: Comparison, references: dict[str, pd.DataFrame], traffic: Traffic, options: DiagnosisOptions
) -> list[Cause]:
    """Find what a drift comes from.

    Returns:
        The gravest first; none without drift.
    """
    samples = {name: ClipSample(table) for name, table in references.items()}
    causes = diagnose(comparison, samples, ClipSample(traffic.table), traffic, options)
    for cause in causes:
        _log.info("%s: %s", cause.kind.value, cause.in_words)
    return causes


def gather_audits(
    prediction_log: str, traffic: Traffic, clips: pd.DataFrame, annotations: pd.DataFrame, options: QualityOptions
) -> dict[str, dict[str, str]]:
    """Gather labels by people of clips that the service has seen and that were drawn at random.

    Returns:
        capability -> request id -> label.
    """
    found: dict[str, dict[str, str]] = {}
    if options.feedback_is_random:
        for one in read_feedback(prediction_log):
            found.setdefault(one.capability, {})[one.request_id] = one.label
    by_people = annotations[
        (annotations["kind"] == AnnotatorKind.HUMAN.value) & (annotations["draw"] == _RANDOM)
    ].drop_duplicates(["clip_id", "capability"], keep="last")
    request_of = _requests(by_people["clip_id"], clips, traffic)
    for clip, capability, label in by_people[["clip_id", "capability", "label"]].itertuples(index=False):
        if request := request_of.get(clip):
            found.setdefault(capability, {})[request] = label
    return found


def _requests(clip_ids: "pd.Series[str]", clips: pd.DataFrame, traffic: Traffic) -> dict[str, str]:
    """Find the requests that were about clips: clip -> request id, of those that the service has seen."""
    mine = clips[clips["clip_id"].isin(clip_ids)]
    contents = [content_name(*both) for both in zip(mine["media_sha256"], mine["text_sha256"], strict=True)]
    place = places(contents, traffic.table["content"])
    requests = traffic.table["request_id"]
    return {clip: requests.iloc[row] for clip, row in zip(mine["clip_id"], place, strict=True) if row >= 0}


def estimate_served_quality(
    comparison: Comparison,
    references: dict[str, pd.DataFrame],
    traffic: Traffic,
    causes: Sequence[Cause],
    audits: dict[str, dict[str, str]],
    resolved: ResolvedCapabilities,
    options: QualityOptions,
) -> dict[str, QualityEstimate]:
    """Estimate how good the served models are on the latest window.

    Returns:
        By capability.
    """
    window = _latest(comparison, traffic)
    doubts = [cause.in_words for cause in causes if cause.kind is not CauseKind.MIX]
    if comparison.decision is DriftDecision.NOT_ENOUGH_DATA:
        doubts.append("it could not be tested whether anything has changed")
    found = {}
    for name, capability in resolved.active.items():
        reference = ClipSample(references[name]) if name in references else None
        if not any(f'"{name}"' in told for told in window.table["labels"]):
            continue
        unseen = _unseen(audits.get(name, {}), window, references.get(name))
        found[name] = estimate_quality(name, capability.kind, reference, window, unseen, doubts, options)
        _log.info("%s", _in_words(found[name]))
    return found


def _latest(comparison: Comparison, traffic: Traffic) -> ClipSample:
    """The clips of the first window."""
    for window in comparison.windows[:1]:
        if window.start is not None and window.end is not None and len(traffic.table):
            times = pd.to_datetime(traffic.table["time"], utc=True)
            return ClipSample(traffic.table[((times >= window.start) & (times <= window.end)).to_numpy()])
    return ClipSample(traffic.table.iloc[:0])


def _unseen(audits: Mapping[str, str], window: ClipSample, reference: pd.DataFrame | None) -> dict[str, str]:
    """Audits of clips that the model has not learned from."""
    learned = set() if reference is None else set(reference["content"]) - {""}
    seen = window.table["request_id"][window.table["content"].isin(learned)]
    return {request: label for request, label in audits.items() if request not in set(seen)}


def _in_words(told: QualityEstimate) -> str:
    if not np.isfinite(told.accuracy):
        return f"{told.capability}: its quality cannot be estimated: {told.why}"
    doubt = "" if told.trusted else f"; not to be relied on: {told.why}"
    return (
        f"{told.capability}: about {told.accuracy:.0%} of its latest {told.clips} answers are right "
        f"({told.low:.0%} – {told.high:.0%}, by {told.method}{doubt})"
    )
