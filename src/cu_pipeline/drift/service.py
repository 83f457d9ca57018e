"""What is asked of the service itself: its latest period against those before."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cu_pipeline.drift.asking import Asked
from cu_pipeline.drift.clip_tests import Untested
from cu_pipeline.drift.options import DriftOptions
from cu_pipeline.drift.stretches import LEAST_PERIOD_DAYS, Stretches, TrafficCounts
from cu_pipeline.drift.table import SERVICE_TESTS
from cu_pipeline.drift.unit_design import UnitDesign
from cu_pipeline.drift.unit_statistics import UnitStatistic
from cu_pipeline.drift.windows import LATEST_PERIOD, Window

SERVICE_KINDS = frozenset(SERVICE_TESTS)
"""Kinds of tests that look at the service and not at clips."""

_VERSIONS = ("client", "decoder")


@dataclass(frozen=True)
class ServiceAsked:
    """What is asked.

    Attributes:
        asked: tests on stretches of time.
        skipped: test -> why it is left out.
        windows: the latest period, where anything is asked of it.
    """

    asked: list[Asked] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    windows: list[Window] = field(default_factory=list)


def ask_of_service(traffic: TrafficCounts, known: set[str], options: DriftOptions) -> ServiceAsked:
    """Make the tests of what the service does.

    Args:
        traffic: with at least one answer.
        known: units of the references.
        options: how long a period is.
    """
    silent = [name for name in _VERSIONS if name not in traffic.table or not traffic.table[name].astype(bool).any()]
    skipped = dict.fromkeys(silent, "no answer in the log tells it, so that no change can be traced to a version")
    if options.looks.every_days < LEAST_PERIOD_DAYS:
        why = "looks are planned so often that a period is no time to tell by"
        return ServiceAsked(skipped=skipped | dict.fromkeys(SERVICE_TESTS, why))
    log = Stretches.of(traffic, options.looks.every_days, options.windows.days)
    asked = []
    for name, make in SERVICE_TESTS.items():
        found = make(log)
        if isinstance(found, Untested):
            skipped[name] = found.why
            continue
        design = UnitDesign.of(found.stretches.astype(object), found.current)
        statistic = UnitStatistic(design, found.test.scores, found.test.combine)
        asked.append(Asked(LATEST_PERIOD, found.test, design, statistic))
    return ServiceAsked(asked, skipped, [_window(log, known)] if asked else [])


def _window(log: Stretches, known: set[str]) -> Window:
    late = log.answers[(log.answers["time"] > pd.Timestamp(log.start)).to_numpy(dtype=np.bool_)]
    units = set(late["group"])
    return Window(
        LATEST_PERIOD, log.start, log.end, late["content"].nunique(), len(units), len(units & known), len(late)
    )
