"""Nodes that show a decision on drift: the history of looks, the page, and Evidently's workspace."""

from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.compute.engine import ComputeOptions, mapper_of
from cu_pipeline.core.counters import count
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.drift.options import HistoryOptions
from cu_pipeline.inference.prediction_log.traffic import Traffic
from cu_pipeline.reports import drift_columns, drift_pictures
from cu_pipeline.reports.drift_history import past_look, read_history, with_look, write_history
from cu_pipeline.reports.drift_page import drift_page, is_page_of
from cu_pipeline.reports.drift_told import read_drift
from cu_pipeline.reports.evidently_report import evidently_report
from cu_pipeline.reports.evidently_workspace import Changes, has_snapshot, workspace_changes


def remember_look(
    drift: dict[str, Any], label_summary: dict[str, Any], earlier: dict[str, Any], options: HistoryOptions
) -> dict[str, Any]:
    """Add a look to the history; one that is there stays as it is.

    Returns:
        The `drift_history` dataset.
    """
    told, looks = read_drift(drift), read_history(earlier)
    if any(look.sha256 == told.sha256 for look in looks):
        return write_history(looks[-options.most :])
    spent = label_summary.get("money", {}).get("total", {}).get("usd")
    return write_history(with_look(looks, past_look(told, spent), options.most))


def find_drift_columns(
    drift: dict[str, Any], references: dict[str, pd.DataFrame], traffic: Traffic, resolved: ResolvedCapabilities
) -> drift_columns.Columns:
    """Find the values before and now that tests were made on."""
    kinds = {name: capability.kind for name, capability in resolved.active.items()}
    return drift_columns.drift_columns(read_drift(drift), references, traffic.table, kinds)


def picture_causes(
    drift: dict[str, Any],
    references: dict[str, pd.DataFrame],
    clips: pd.DataFrame,
    captures: Path,
    thumbnails: Path,
    options: HistoryOptions,
    compute: ComputeOptions,
) -> drift_pictures.DriftPictures:
    """Make pictures of what is new, where the service keeps its requests, beside what the models learned from."""
    told = read_drift(drift)
    return drift_pictures.drift_pictures(told, references, clips, captures, thumbnails, options, mapper_of(compute))


def show_drift(
    drift: dict[str, Any],
    columns: drift_columns.Columns,
    pictures: drift_pictures.DriftPictures,
    history: dict[str, Any],
    earlier_page: str,
    workspace: frozenset[str],
) -> tuple[str, Changes]:
    """Show a decision on the page and, where anything was tested, in Evidently, unless an earlier run has done so.

    Args:
        drift: the decision.
        columns: clips before and now.
        pictures: of causes.
        history: of looks, this one among them.
        earlier_page: that an earlier run made; "": none.
        workspace: paths of the files in Evidently's workspace.

    Returns:
        The `drift_report` and `drift_workspace` datasets.
    """
    count("drift_pages_made", 0)
    told, looks = read_drift(drift), read_history(history)
    if is_page_of(earlier_page, told) and (not told.tests or has_snapshot(told.look.id, workspace)):
        return earlier_page, {}
    count("drift_pages_made")
    if not told.tests:  # Evidently, which takes seconds to import, would have nothing to show
        return drift_page(told, columns, pictures, looks, ""), {}
    spent = next((look.spent_usd for look in looks if look.id == told.look.id), None)
    made = evidently_report(told, columns, spent)
    page = drift_page(told, columns, pictures, looks, made.html)
    return page, workspace_changes(looks, told.look.id, made.snapshot, workspace)
