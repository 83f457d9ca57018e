"""The tests on drift as Evidently's metrics, which read their numbers from one frame by name.

A value that is a metric's field would make every run a series of its own; by name, one line plots over all runs.
"""

import math
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from cu_pipeline.drift.plain_names import plain_name
from cu_pipeline.reports.drift_told import DriftTold, TestTold

if TYPE_CHECKING:
    import pandas as pd

FRAME: Final = "drift"
"""Name of the additional data set that metrics read."""

P_VALUE: Final = "DriftPValue"
EFFECT: Final = "DriftEffect"
QUALITY: Final = "EstimatedQuality"
NUMBER: Final = "DriftNumber"
DECLARED: Final = "DriftDeclared"

LEAST_P: Final = "smallest adjusted p-value"
DRIFTED: Final = "tests that declare drift"
ALL_CLEAR: Final = "all clear"
CLIPS: Final = "clips in the latest window"
SPENT: Final = "USD spent on labels"
ALPHA: Final = "alpha of the look"


KINDS: Final = (NUMBER, DECLARED, P_VALUE, EFFECT, QUALITY)
"""Kinds of metrics, one class each; all but the first stand in the page's table already and have no widget there."""


@cache
def metric_types() -> dict[str, Any]:
    """Make Evidently's class of each kind; here, since importing Evidently takes seconds."""
    return {kind: _metric_type(kind, shown=kind == NUMBER) for kind in KINDS}


def _metric_type(kind: str, *, shown: bool) -> Any:
    """Make a metric that has nothing but a name, and its calculation, which reads the row of that kind and name."""
    from evidently.core.metric_types import SingleValueCalculation, SingleValueMetric

    config = type("Config", (), {"type_alias": f"evidently:metric_v2:{kind}"})
    body = {"__annotations__": {"name": str}, "__module__": __name__, "Config": config}
    metric_type: Any = type(kind, (SingleValueMetric,), body)

    class Told(SingleValueCalculation[metric_type]):
        words = ""

        def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:  # noqa: ARG002 - Evidently's
            frame = context.additional_data[FRAME].as_dataframe()
            row = frame[(frame["kind"] == kind) & (frame["name"] == self.metric.name)].iloc[0]
            self.words = row["words"]
            result = self.result(float(row["value"]))
            result.widget = [_counter(self.words, float(result.value))] if shown else []
            return result

        def display_name(self) -> str:
            return self.words or str(self.metric.name)

    return metric_type


def _counter(title: str, value: float) -> Any:
    from evidently.legacy.renderers.html_widgets import CounterData, WidgetSize, counter

    return counter(title=title, size=WidgetSize.HALF, counters=[CounterData("", f"{value:.4g}")])


def quality_name(capability: str, end: str) -> str:
    """The name of a capability's estimate, or of one end of its interval.

    >>> quality_name("topic", "accuracy"), quality_name("topic", "low")
    ('topic', 'topic, low')
    """
    return inert(capability if end == "accuracy" else f"{capability}, {end}")


def told_frame(told: DriftTold, spent_usd: float | None) -> "pd.DataFrame":
    """All numbers of a look.

    Returns:
        One row each: `kind`, `name`, `value`, `words`.
    """
    import pandas as pd

    rows = [*_numbers(told, spent_usd), *_of_tests(told), *_of_quality(told)]
    kept = [row for row in rows if row[2] is not None and math.isfinite(row[2])]
    return pd.DataFrame(kept, columns=["kind", "name", "value", "words"])


ENDS: Final = ("accuracy", "low", "high")
"""Of an estimate of quality."""

Row = tuple[str, str, float | None, str]


def _numbers(told: DriftTold, spent_usd: float | None) -> list[Row]:
    latest = told.window("latest")
    found = {
        DRIFTED: float(len(told.drifted)),
        ALL_CLEAR: float(told.all_clear),
        LEAST_P: told.least_p,
        CLIPS: float(latest.clips if latest else told.current.n),
        ALPHA: told.look.alpha,
        SPENT: spent_usd,
    }
    return [(NUMBER, name, value, name[0].upper() + name[1:]) for name, value in found.items()]


def _of_tests(told: DriftTold) -> list[Row]:
    rows: list[Row] = []
    for name, test in by_series(told).items():
        change = f"{plain_name(test.name)} ({test.window.replace('_', ' ')}): {test.in_words}"
        rows += [
            (DECLARED, name, float(test.drifted), inert(f"Drift declared in {change}")),
            (P_VALUE, name, test.p_adjusted, inert(f"Adjusted p-value, {change}")),
            (EFFECT, name, test.effect, inert(f"Effect, {change}")),
        ]
    return rows


def _of_quality(told: DriftTold) -> list[Row]:
    return [
        (QUALITY, quality_name(name, end), getattr(found, end), f"Estimated accuracy of {quality_name(name, end)}")
        for name, found in told.quality.items()
        for end in ENDS
    ]


def by_series(told: DriftTold) -> dict[str, TestTold]:
    """Tests by the name of their line in plots: a test of the latest window has its own, others tell theirs."""
    return {series_name(test.name, test.window): test for test in told.tests}


def series_name(test: str, window: str) -> str:
    """The name of a test's line in plots.

    >>> series_name("fact_bytes", "latest"), series_name("fact_bytes", "since_decision")
    ('fact_bytes', 'fact_bytes since decision')
    """
    return inert(test if window == "latest" else f"{test} {window.replace('_', ' ')}")


def inert(label: str) -> str:
    """A text without tags: Evidently writes it into a script as it is.

    >>> inert("</script><script>alert(1)")
    '‹/script›‹script›alert(1)'
    """
    return label.replace("<", "‹").replace(">", "›")
