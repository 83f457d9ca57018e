"""One Evidently report of a look: our tests as its metrics and tests, beside its own view of each column."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from cu_pipeline.core.telemetry import switch_off
from cu_pipeline.reports import evidently_metrics as told_metrics
from cu_pipeline.reports.drift_told import DriftTold, TestTold
from cu_pipeline.reports.evidently_metrics import inert, metric_types, told_frame

if TYPE_CHECKING:
    from cu_pipeline.reports.drift_columns import Columns

METHOD: Final = "permutation_holm"
"""Our tests' name in Evidently's registry of statistical tests."""


@dataclass(frozen=True)
class EvidentlyReport:
    """What Evidently makes of a look.

    Attributes:
        html: its page.
        snapshot: for a workspace: the text of a file.
    """

    html: str
    snapshot: str


def evidently_report(told: DriftTold, columns: "Columns", spent_usd: float | None) -> EvidentlyReport:
    """Run a report on a look.

    Its own tests decide nothing: they raise alarms about 5 % of the time per column. Where it shows a column with a
    test, it shows our adjusted p-value and our verdict.

    Args:
        told: the decision.
        columns: the clips before and now.
        spent_usd: what all labels had cost by then; None where that is not known.
    """
    switch_off()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numpy, about how Evidently uses it; no user can act on them
        return _run(told, columns, spent_usd)


def _run(told: DriftTold, columns: "Columns", spent_usd: float | None) -> EvidentlyReport:
    from evidently import DataDefinition, Dataset, Report

    frame = told_frame(told, spent_usd)
    numbers = Dataset.from_pandas(frame, DataDefinition(categorical_columns=["kind"], numerical_columns=["value"]))
    shown = columns.both()
    sides: dict[str, Any] = {"current_data": numbers}
    if shown:
        classes = [name for name in shown if name in columns.classes]
        definition = DataDefinition(
            numerical_columns=[name for name in shown if name not in classes], categorical_columns=classes
        )
        before, now = (
            Dataset.from_pandas(pd.DataFrame({name: _plain(pair[side]) for name, pair in shown.items()}), definition)
            for side in (0, 1)
        )
        sides = {"current_data": now, "reference_data": before}
    report = Report([*_metrics(told, frame), *_presets(told, list(shown))], include_tests=False)
    made = report.run(
        **sides,
        additional_data={told_metrics.FRAME: numbers},
        timestamp=told.look.time,
        metadata={"look": told.look.id, "decision": told.decision, "all_clear": str(told.all_clear).lower()},
        tags=[told.decision],
        name=f"{told.look.time:%Y-%m-%d %H:%M} {told.verdict}" if told.look.time else told.verdict,
    )
    return EvidentlyReport(made.get_html_str(as_iframe=False), _text(made))


def _metrics(told: DriftTold, frame: pd.DataFrame) -> list[Any]:
    """Our numbers, and Evidently's tests on them: they fail where, and only where, the decision says so."""
    from evidently.tests import eq

    types = metric_types()
    checks = {
        (told_metrics.NUMBER, told_metrics.DRIFTED): [eq(0)],
        (told_metrics.NUMBER, told_metrics.ALL_CLEAR): [eq(1, is_critical=False)],
    }
    checks |= {(told_metrics.DECLARED, name): [eq(0)] for name in told_metrics.by_series(told)}
    rows = zip(frame["kind"], frame["name"], strict=True)
    return [types[kind](name=name, tests=checks.get((kind, name))) for kind, name in rows]


def _presets(told: DriftTold, columns: list[str]) -> list[Any]:
    from evidently.metrics import ValueDrift
    from evidently.presets import DataSummaryPreset

    if not columns:
        return []
    tested = {test.name: test for test in sorted(told.tests, key=lambda test: test.window == "latest")}
    _register({name: tested[name] for name in columns if name in tested})
    drift = [ValueDrift(column=name, method=METHOD, threshold=told.look.alpha) for name in columns if name in tested]
    return [*drift, DataSummaryPreset(columns=columns)]


def _register(tested: Mapping[str, TestTold]) -> None:
    """Make Evidently show the adjusted p-values as its own."""
    from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    def look_up(reference: Any, *_: Any) -> tuple[float, bool]:
        test = tested[reference.name]
        return test.p_adjusted, test.drifted

    name = "permutation test, p-value adjusted by Holm"
    register_stattest(StatTest(METHOD, name, [ColumnType.Numerical, ColumnType.Categorical]), look_up)


def _plain(values: "pd.Series[Any]") -> "pd.Series[Any]":
    values = values.reset_index(drop=True)
    return values.map(inert, na_action="ignore") if values.dtype == object else values


def _text(made: Any) -> str:
    """A run as its file in a workspace."""
    import json

    from evidently.legacy.utils import NumpyEncoder

    return json.dumps(made.to_snapshot_model().dict(), cls=NumpyEncoder)
