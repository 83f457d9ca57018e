import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.telemetry import switch_off
from cu_pipeline.drift.options import DriftOptions
from cu_pipeline.drift.samples import ClipSample
from cu_pipeline.reports.templating import environment

METHOD: Final = "permutation_holm"

_OFFLINE: Final = (
    "default-src 'none'; img-src data: blob:; font-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline' blob:"
)


Column = tuple["pd.Series[Any]", "pd.Series[Any]"]
"""A column's values before and now."""


def drift_page(
    references: Mapping[str, ClipSample],
    current: ClipSample,
    drift: dict[str, Any],
    options: DriftOptions,
    kinds: dict[str, Kind],
) -> str:
    """Show a comparison: the decision and all tests, then Evidently's view of each column.

    Evidently's own tests are not used: they raise alarms about 5 % of the time per column. Its columns show the
    adjusted p-values of `drift`. The page needs nothing but itself and forbids browsers to fetch anything.

    Args:
        references: capability -> what its served model learned from.
        current: what the service saw.
        drift: the `drift` dataset.
        options: what was compared.
        kinds: of the capabilities.

    Returns:
        One HTML page that carries the hash of its inputs.
    """
    tested = {test["name"]: test for test in reversed(drift["tests"])}
    columns = _columns(references, current, tested, options, kinds)
    shown = {name: pair for name, pair in columns.items() if all(side.notna().any() for side in pair)}
    head, body = _evidently(shown, tested, drift["alpha"]) if shown else ("", "")
    template = environment().get_template("drift.html.j2")
    return template.render(drift=drift, policy=_OFFLINE, evidently_head=head, evidently_body=body)


def is_page_of(page: str, drift: dict[str, Any]) -> bool:
    """Tell whether a page shows a comparison of the same inputs."""
    return f'name="inputs-sha256" content="{drift["inputs_sha256"]}"' in page[:2000]


def _columns(
    references: Mapping[str, ClipSample],
    current: ClipSample,
    tested: dict[str, Any],
    options: DriftOptions,
    kinds: dict[str, Kind],
) -> dict[str, Column]:
    found: dict[str, Column] = {}
    for reference in list(references.values())[:1]:
        inputs = _of_splits(reference, options.reference_splits)
        found |= {
            name: (pd.Series(inputs.fact(fact)), pd.Series(current.fact(fact)))
            for name in tested
            if (fact := name.removeprefix("fact_")) in options.facts
        }
    for name, kind in kinds.items():
        if f"label_{name}" in tested:
            sides = (_of_splits(references[name], options.prediction_splits).answered(name), current.answered(name))
            sure = [pd.Series(side.confidence(name, kind)) for side in sides]
            said = [pd.Series([_inert(label) for label in side.labels(name)], dtype=object) for side in sides]
            found |= {f"confidence_{name}": (sure[0], sure[1]), f"label_{name}": (said[0], said[1])}
    return {name: found[name] for name in tested if name in found}


def _of_splits(sample: ClipSample, splits: Sequence[str]) -> ClipSample:
    return ClipSample(sample.table[sample.table["split"].isin(splits)])


def _inert(label: str) -> str:
    """A class name without tags: Evidently writes it into a script as it is.

    >>> _inert("</script><script>alert(1)")
    '‹/script›‹script›alert(1)'
    """
    return label.replace("<", "‹").replace(">", "›")


def _evidently(columns: dict[str, Column], tested: dict[str, Any], alpha: float) -> tuple[str, str]:
    """The head and the body of Evidently's page on the columns."""
    switch_off()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numpy, about how Evidently uses it; no user can act on them
        page = _page(columns, tested, alpha)
    return _between(page, "<head>", "</head>"), _between(page, "<body>", "</body>")


def _page(columns: dict[str, Column], tested: dict[str, Any], alpha: float) -> str:
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    _register(tested)
    labels = [name for name in columns if tested[name]["kind"] == "label"]
    definition = DataDefinition(
        numerical_columns=[name for name in columns if name not in labels], categorical_columns=labels
    )
    before, now = (
        Dataset.from_pandas(pd.DataFrame({name: pair[side] for name, pair in columns.items()}), definition)
        for side in (0, 1)
    )
    metrics = [ValueDrift(column=name, method=METHOD, threshold=alpha) for name in columns]
    page: str = Report(metrics, include_tests=False).run(now, before).get_html_str(as_iframe=False)
    return page


def _register(tested: dict[str, Any]) -> None:
    """Make Evidently show the adjusted p-values as its own."""
    from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    def look_up(reference: Any, *_: Any) -> tuple[float, bool]:
        test = tested[reference.name]
        return test["p_adjusted"], test["drifted"]

    name = "permutation test, p-value adjusted by Holm"
    register_stattest(StatTest(METHOD, name, [ColumnType.Numerical, ColumnType.Categorical]), look_up)


def _between(page: str, start: str, end: str) -> str:
    opened = page.index(start) + len(start)
    return page[opened : page.rindex(end)]
