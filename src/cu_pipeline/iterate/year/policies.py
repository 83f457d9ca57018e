"""When models are fitted again by policies that have no loop: never, each window, whenever Evidently flags."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pandas as pd

from cu_pipeline.core.telemetry import switch_off

_DATA_DRIFT: Final = "Share of Drifted Columns"

Alarm = Callable[[pd.DataFrame, pd.DataFrame], bool]
"""Whether to fit again, by what was seen when the model was fitted and what is seen now, as numbers and words."""


def never(_before: pd.DataFrame, _now: pd.DataFrame) -> bool:
    """Leave the first model in place for good."""
    return False


def always(_before: pd.DataFrame, _now: pd.DataFrame) -> bool:
    """Fit again at the end of each window."""
    return True


def evidently_flag(before: pd.DataFrame, now: pd.DataFrame) -> bool:
    """Fit again when Evidently's preset says that data have drifted: by its defaults, half of the columns or more."""
    switch_off()
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    words = [name for name in before if before[name].dtype == object]
    definition = DataDefinition(
        numerical_columns=[str(name) for name in before if name not in words],
        categorical_columns=[str(name) for name in words],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numpy, about how Evidently uses it
        report = Report([DataDriftPreset()], include_tests=True)
        found = report.run(Dataset.from_pandas(now, definition), Dataset.from_pandas(before, definition))
    return any(test.name.startswith(_DATA_DRIFT) and test.status.value == "FAIL" for test in found.tests_results)


@dataclass(frozen=True)
class Policy:
    """A way to decide when models are fitted again.

    Attributes:
        name: of the policy, for people.
        alarm: whether to fit again.
    """

    name: str
    alarm: Alarm


RIVALS: Final = (
    Policy("never retrain", never),
    Policy("retrain every window", always),
    Policy("retrain on Evidently's flag", evidently_flag),
)
"""What the loop is held against. All buy the same number of labels each time that they fit again."""
