import hashlib
import json
import logging
from dataclasses import asdict, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.drift.compare import Comparison, compare, summarise
from cu_pipeline.drift.options import DriftOptions
from cu_pipeline.drift.samples import ClipSample
from cu_pipeline.inference.prediction_log import scan_log
from cu_pipeline.inference.prediction_log.traffic import Traffic, distinct_clips

ONLY_REPLAYS: Final = "only the product's own clips"
"""Why there is not enough data where nobody else has used the service yet."""

FORMAT: Final = 3
"""Of the drift report; a change makes earlier pages stale."""

_log = logging.getLogger(__name__)


def read_traffic(prediction_log: str, delivery: dict[str, Any], options: DriftOptions) -> Traffic:
    """Read what the service answered with the models that were delivered, but not about the product's own clips."""
    log = scan_log(prediction_log, versions=_served(delivery), since=options.since)
    traffic = distinct_clips(log, options.facts)
    if traffic.invalid:
        _log.warning("%d lines of the prediction log are no records and were skipped", traffic.invalid)
    return traffic


def compare_with_reference(
    reference: pd.DataFrame,
    traffic: Traffic,
    delivery: dict[str, Any],
    resolved: ResolvedCapabilities,
    options: DriftOptions,
    seed: int,
) -> dict[str, Any]:
    """Test whether the service's clips are distributed as those that its models learned from.

    Returns:
        The `drift` dataset.
    """
    before = _without_media_facts_of_text(reference)
    capabilities, skipped = _comparable(reference, delivery, resolved)
    found = compare(ClipSample(before), ClipSample(traffic.table), capabilities, options, seed)
    found = replace(found, skipped=found.skipped | skipped)
    reason = ONLY_REPLAYS if traffic.only_replays() else None
    summary = _summary(found, traffic, options)
    _log.info("%s", summary)
    return {
        "decision": found.decision.value,
        "reason": reason,
        "alpha": options.alpha,
        "method": "holm",
        "reference": _about(before, options),
        "current": traffic.about(),
        "tests": [asdict(test) for test in found.tests],
        "skipped": found.skipped,
        "summary": summary,
        "inputs_sha256": _inputs_hash(before, traffic, list(capabilities), options, seed),
    }


def _about(reference: pd.DataFrame, options: DriftOptions) -> dict[str, int]:
    """The part of the drift report that says what the traffic was compared with."""
    used = ClipSample(reference[reference["split"].isin([*options.reference_splits, *options.prediction_splits])])
    groups = used.groups()
    return {"n": len(used), "units": len(used) if groups is None else len(set(groups))}


def _summary(found: Comparison, traffic: Traffic, options: DriftOptions) -> str:
    told = summarise(found, len(traffic.table), options)
    units = int(traffic.table["group"].nunique())
    if found.tests and units < len(traffic.table):
        told += f" The clips are of {units} creators or contents, each of which counts as one."
    if not traffic.replays:
        return told
    own = f"{traffic.replays} answers about the product's own clips, which were sent to try it out and are no traffic"
    return f"{told} The log {'also holds' if traffic.requests else 'holds only'} {own}."


def _served(delivery: dict[str, Any]) -> dict[str, str]:
    return {name: entry["model_version"] for name, entry in delivery["capabilities"].items()}


def _kinds(resolved: ResolvedCapabilities) -> dict[str, Kind]:
    return {name: capability.kind for name, capability in resolved.active.items()}


def _comparable(
    reference: pd.DataFrame, delivery: dict[str, Any], resolved: ResolvedCapabilities
) -> tuple[dict[str, Kind], dict[str, str]]:
    """Split the served capabilities into those whose model also predicted the reference, and the others."""
    kinds = _kinds(resolved)
    versions = [json.loads(told) for told in set(reference["versions"])]
    comparable: dict[str, Kind] = {}
    skipped: dict[str, str] = {}
    for name, served in _served(delivery).items():
        if name not in kinds:
            skipped[f"predictions of {name}"] = "the feed has no label of it now"
        elif {told[name] for told in versions if name in told} == {served}:
            comparable[name] = kinds[name]
        else:
            skipped[f"predictions of {name}"] = f"the reference was not predicted by the served model {served}"
    return comparable, skipped


def _without_media_facts_of_text(reference: pd.DataFrame) -> pd.DataFrame:
    """Clear the size of text-only clips, 0 bytes in the table of clips, as the service's log has none."""
    return reference.assign(bytes=reference["bytes"].where(reference["bytes"] > 0))


def _inputs_hash(
    reference: pd.DataFrame, traffic: Traffic, capabilities: list[str], options: DriftOptions, seed: int
) -> str:
    tables = [_table_hash(table) for table in (reference, traffic.table)]
    return json_sha256([FORMAT, tables, traffic.about(), capabilities, options.model_dump(mode="json"), seed])


def _table_hash(table: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for row in table["embedding"]:
        digest.update(np.asarray(row, dtype="<f4").tobytes())
    digest.update(table.drop(columns="embedding").to_csv(index=False).encode())
    return digest.hexdigest()
