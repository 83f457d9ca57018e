import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.core.rows import BATCH
from cu_pipeline.drift.compare import Comparison, DriftDecision, compare
from cu_pipeline.drift.diagnosis import Cause
from cu_pipeline.drift.looks import Look, last_drift, next_look
from cu_pipeline.drift.options import DriftOptions
from cu_pipeline.drift.quality import QualityEstimate
from cu_pipeline.drift.samples import ClipSample
from cu_pipeline.drift.windows import MOST_ANSWERS, enough_since, oldest_needed
from cu_pipeline.drift.words import summarise
from cu_pipeline.inference.prediction_log import oldest_of_latest, read_latest, read_refusals, scan_log
from cu_pipeline.inference.prediction_log.traffic import Traffic, distinct_clips

ONLY_REPLAYS: Final = "only the product's own clips"
"""Why there is not enough data where nobody else has used the service yet."""

FORMAT: Final = 5
"""Of the drift report; a change makes earlier pages stale."""

References = dict[str, pd.DataFrame]
"""Capability -> what its served model learned from."""

_log = logging.getLogger(__name__)


def read_traffic(
    prediction_log: str, delivery: dict[str, Any], options: DriftOptions, earlier_looks: Sequence[Look] = ()
) -> Traffic:
    """Read what the service answered with the models that were delivered, but not about the product's own clips.

    What is older than any window is left in the log: of what came before a drift that was decided on, and of more than
    `MOST_ANSWERS` answers.
    """
    latest = _latest(prediction_log)
    decided = last_drift(earlier_looks, latest)
    enough = enough_since(oldest_of_latest(prediction_log, MOST_ANSWERS, _served(delivery)), latest, options)
    traffic = _traffic(prediction_log, delivery, options, enough, decided and oldest_needed(decided, options))
    if decided and (traffic.table.empty or traffic.table["time"].iloc[-1] <= decided):
        traffic = _traffic(prediction_log, delivery, options, enough)
    if traffic.invalid:
        _log.warning("%d lines of the prediction log are no records and were skipped", traffic.invalid)
    return traffic


def _traffic(prediction_log: str, delivery: dict[str, Any], options: DriftOptions, *starts: datetime | None) -> Traffic:
    since = max((one for one in (options.since, *starts) if one is not None), default=None)
    log = scan_log(prediction_log, versions=_served(delivery), since=since)
    return distinct_clips(log, options.facts, read_refusals(prediction_log, since))


def _latest(prediction_log: str) -> datetime | None:
    """When the latest answer was given, by whatever models; None where there is none."""
    return next((record.time for record in read_latest(prediction_log, 1)), None)


def compare_with_references(
    references: References,
    traffic: Traffic,
    delivery: dict[str, Any],
    resolved: ResolvedCapabilities,
    options: DriftOptions,
    seed: int,
    earlier_looks: Sequence[Look],
) -> tuple[Comparison, list[Look]]:
    """Test whether the service's clips are distributed as those that its models learned from.

    Returns:
        The outcome, and this look where it is to be kept: none where nothing was tested, or where the same inputs were
        looked at before.
    """
    capabilities, skipped = _comparable(references, delivery, resolved)
    look = _look(references, traffic, list(capabilities), options, seed, earlier_looks)
    samples = {name: ClipSample(table) for name, table in references.items()}
    found = compare(samples, ClipSample(traffic.table, traffic), capabilities, options, seed, look, earlier_looks)
    found = replace(found, skipped=found.skipped | skipped)
    if found.decision is DriftDecision.NOT_ENOUGH_DATA:
        return replace(found, look=replace(look, alpha=0.0, extra=0.0, decision=found.decision.value)), []
    done = replace(look, decision=found.decision.value, windows=tuple(found.windows))
    is_new = all(one.id != done.id for one in earlier_looks)
    return replace(found, look=done), [done] if is_new else []


def report_drift(
    references: References,
    traffic: Traffic,
    comparison: Comparison,
    options: DriftOptions,
    causes: Sequence[Cause] = (),
    quality: Mapping[str, QualityEstimate] | None = None,
    notices: Sequence[str] = (),
) -> dict[str, Any]:
    """Write down what was found.

    Returns:
        The `drift` dataset.
    """
    summary = _summary(comparison, traffic, options, references)
    _log.info("%s", summary)
    look = comparison.look
    return {
        "decision": comparison.decision.value,
        "reason": ONLY_REPLAYS if traffic.only_replays() else None,
        "notices": list(notices),
        "all_clear": comparison.decision is DriftDecision.NO_DRIFT and not notices,
        "alpha": options.alpha,
        "method": "holm",
        "look": {
            "id": look.id,
            "time": look.time and look.time.isoformat(timespec="seconds"),
            "alpha": look.alpha,
            "horizon_days": options.looks.horizon_days,
        },
        "windows": [window.as_json() for window in comparison.windows],
        "references": {name: _about(table, options) for name, table in references.items()},
        "current": traffic.about() | {"known_units": sum(one.known_units for one in comparison.windows[:1])},
        "tests": [asdict(test) for test in comparison.tests],
        "skipped": comparison.skipped,
        "causes": [cause.to_json() for cause in causes],
        "quality": {name: asdict(one) for name, one in (quality or {}).items()},
        "needed": [asdict(one) for one in comparison.needed],
        "novel": comparison.novel,
        "summary": summary,
        "inputs_sha256": look.id,
    }


def _look(
    references: References,
    traffic: Traffic,
    capabilities: list[str],
    options: DriftOptions,
    seed: int,
    earlier: Sequence[Look],
) -> Look:
    """Begin a look, or find the one that was made at these inputs."""
    before = {name: _table_hash(table) for name, table in _distinct(references)}
    inputs = json_sha256(
        [
            FORMAT,
            before,
            _table_hash(traffic.table),
            traffic.about(),
            capabilities,
            options.model_dump(mode="json", exclude={"history"}),
            seed,
        ]
    )
    if traffic.table.empty:
        return Look(inputs, None, 0.0)
    time = pd.Timestamp(traffic.table["time"].iloc[-1]).to_pydatetime()
    return next_look(inputs, time, earlier, options.alpha, options.looks)


def _distinct(references: References) -> list[tuple[str, pd.DataFrame]]:
    """References without those that are the very same table."""
    return list({id(table): (name, table) for name, table in references.items()}.values())


def _about(reference: pd.DataFrame, options: DriftOptions) -> dict[str, Any]:
    """The part of the drift report that says what the traffic was compared with."""
    used = reference[reference["split"].isin([*options.reference_splits, *options.prediction_splits])]
    units = ClipSample(used).with_units("reference").units()
    versions = {version for told in reference["versions"].unique() for version in json.loads(told).values()}
    return {"versions": sorted(versions), "clips": len(used), "units": len(set(units))}


def _summary(found: Comparison, traffic: Traffic, options: DriftOptions, references: References) -> str:
    told = summarise(found, options, references)
    if not traffic.replays:
        return told
    own = f"{traffic.replays} answers about the product's own clips, which were sent to try it out and are no traffic"
    return f"{told} The log {'also holds' if traffic.requests else 'holds only'} {own}."


def _served(delivery: dict[str, Any]) -> dict[str, str]:
    return {name: entry["model_version"] for name, entry in delivery["capabilities"].items()}


def _kinds(resolved: ResolvedCapabilities) -> dict[str, Kind]:
    return {name: capability.kind for name, capability in resolved.active.items()}


def _comparable(
    references: References, delivery: dict[str, Any], resolved: ResolvedCapabilities
) -> tuple[dict[str, Kind], dict[str, str]]:
    """Split the served capabilities into those whose model also predicted its reference, and the others."""
    kinds = _kinds(resolved)
    comparable: dict[str, Kind] = {}
    skipped: dict[str, str] = {}
    for name, served in _served(delivery).items():
        told = [json.loads(versions) for versions in set(references[name]["versions"])] if name in references else []
        if name not in kinds:
            skipped[f"predictions of {name}"] = "the feed has no label of it now"
        elif {versions[name] for versions in told if name in versions} == {served}:
            comparable[name] = kinds[name]
        else:
            skipped[f"predictions of {name}"] = f"the reference was not predicted by the served model {served}"
    return comparable, skipped


def _table_hash(table: pd.DataFrame) -> str:
    """Hash the rows of a table: its vectors, and everything else."""
    digest = hashlib.sha256()
    for row in table["embedding"]:
        digest.update(np.asarray(row, dtype="<f2").tobytes())
    others = table.drop(columns="embedding")
    digest.update(json.dumps(list(others.columns)).encode())
    for start in range(0, len(others), BATCH):
        part = others.iloc[start : start + BATCH]
        digest.update(pd.util.hash_pandas_object(part, index=False).to_numpy().tobytes())
    return digest.hexdigest()
