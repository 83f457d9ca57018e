"""What the project's last runs left, as Prometheus reads it: drift, quality, labels, money, iterations, promotions."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.json_lines import read_lines
from cu_pipeline.iterate.failed_calls import FailedCalls, FailedCallsFile
from cu_pipeline.iterate.ledger import OUTCOMES, IterationLine, IterationLog, month_usd
from cu_pipeline.iterate.project import FAILED_CALLS, LEDGER, STATE
from cu_pipeline.iterate.state import StateFile, Status
from cu_pipeline.iterate.work import PROMOTIONS
from cu_pipeline.reports.drift_told import DECISIONS, read_drift_file
from cu_pipeline.tracking.promotions import CAUSES

REPORTING: Final = Path("data/08_reporting")
DRIFT: Final = REPORTING / "drift.json"
QUALITY: Final = REPORTING / "metrics.json"
LABELS: Final = REPORTING / "label_summary.json"
REJECTS: Final = REPORTING / "rejects.csv"
SPLITS: Final = Path("data/02_intermediate/feed_checks.json")

Read = Callable[[Path], Iterator[Metric]]


class ProjectMetrics:
    """A collector of prometheus_client: reads the files of a project at each scrape.

    A file that is not there gives no metric, or 0 where that is what its absence says; one that cannot be read is
    counted in `cu_pipeline_files_unreadable`, and the others are told all the same. What alerts take the increase of is
    told from 0 on, also where there was none yet: a count that appears with its first event shows no increase.

    Args:
        root: the project's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def collect(self) -> Iterator[Metric]:
        """Give all metrics."""
        written = _gauge("file_timestamp_seconds", "When a file of the project was written, Unix time.", "file")
        unreadable = _gauge("files_unreadable", "1 for a file of the project that cannot be read.", "file")
        for place, read in _READERS.items():
            path = self._root / place
            if not path.is_file():
                yield from _WITHOUT_FILE.get(place, list)()
                continue
            try:
                found = list(read(path))
            except (StoreError, OSError, ValueError, LookupError, TypeError, AttributeError):
                unreadable.add_metric([place.name], 1)
                continue
            written.add_metric([place.name], path.stat().st_mtime)
            unreadable.add_metric([place.name], 0)
            yield from found
        yield from (written, unreadable)


def _gauge(name: str, told: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"cu_pipeline_{name}", told, labels=labels)


def _counter(name: str, told: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"cu_pipeline_{name}", told, labels=labels)


def _filled(family: GaugeMetricFamily, values: Mapping[str, float]) -> Metric:
    for name, value in values.items():
        family.add_metric([name], value)
    return family


def _drift(path: Path) -> Iterator[Metric]:
    told = read_drift_file(path)
    decision = _gauge("drift_decision", "1 for the decision of the last look at the traffic.", "decision")
    yield _filled(decision, {name: float(name == told.decision) for name in DECISIONS})
    yield _single("drift_notices", "What stands in the way of an all-clear.", len(told.notices))
    shares = _gauge("drift_cause_share", "Share of the window's clips that a cause concerns.", "cause", "trains")
    for cause in told.causes:
        shares.add_metric([cause.kind, str(cause.trains).lower()], cause.share)
    p_values = _gauge("drift_p_value", "Adjusted p-value of a test on drift.", "test", "window")
    for test in told.tests:
        p_values.add_metric([test.name, test.window], test.p_adjusted)
    clips = _gauge("drift_window_clips", "Distinct clips of a window of traffic.", "window")
    yield from (shares, p_values, _filled(clips, {window.name: window.clips for window in told.windows}))
    accuracy = _gauge(
        "estimated_accuracy", "Accuracy on live traffic, estimated without labels.", "capability", "bound"
    )
    trusted = _gauge("estimate_trusted", "1 where the estimate of accuracy can be trusted.", "capability")
    for capability, one in told.quality.items():
        trusted.add_metric([capability], float(one.trusted))
        for bound, value in (("estimate", one.accuracy), ("low", one.low), ("high", one.high)):
            if value is not None:
                accuracy.add_metric([capability, bound], value)
    yield from (accuracy, trusted)


def _single(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(f"cu_pipeline_{name}", told, value=value)


def _quality(path: Path) -> Iterator[Metric]:
    family = _gauge(
        "test_accuracy", "Accuracy of the trained model on test clips, with its interval.", "capability", "bound"
    )
    for capability, measured in _object(path).items():
        test = measured["test"]
        low, high = test["ci95"]["accuracy"]
        for bound, value in (("estimate", test["accuracy"]), ("low", low), ("high", high)):
            family.add_metric([capability, bound], value)
    yield family


def _labels(path: Path) -> Iterator[Metric]:
    told = _object(path)
    yield _single("label_spend_dollars", "What all labels have cost.", told["money"]["total"]["usd"])
    labels = _gauge("labels", "Clips with a label, and those whose label is certified.", "capability", "kind")
    for capability, one in told["capabilities"].items():
        labels.add_metric([capability, "all"], one["labels"])
        labels.add_metric([capability, "certified"], one["certified"])
    yield labels


def _rejects(path: Path) -> Iterator[Metric]:
    with path.open(encoding="utf-8", newline="") as stream:
        reasons = Counter(row["reason"] for row in csv.DictReader(stream))
    yield _filled(_gauge("rejected_clips", "Clips of the feed that were set aside.", "reason"), reasons)


def _splits(path: Path) -> Iterator[Metric]:
    clips = {name: split["clips"] for name, split in _object(path)["splits"].items()}
    yield _filled(_gauge("clips", "Clips of the feed.", "split"), clips)


def _iterations(path: Path) -> Iterator[Metric]:
    yield from _ended(list(IterationLog(path).records()))


def _ended(lines: list[IterationLine]) -> Iterator[Metric]:
    outcomes = _counter("iterations", "Iterations that are over, by how they ended.", "outcome")
    for outcome, number in (dict.fromkeys(OUTCOMES, 0) | Counter(line.outcome for line in lines)).items():
        outcomes.add_metric([outcome], number)
    promised = CounterMetricFamily(
        "cu_pipeline_iteration_dollars",
        "What iterations promised to people.",
        value=sum(line.committed_usd for line in lines),
    )
    month = _single(
        "iteration_dollars_month",
        "What iterations that began within 30 days promised to people.",
        month_usd(lines, datetime.now(UTC)),
    )
    yield from (outcomes, promised, month)


def _iteration(path: Path) -> Iterator[Metric]:
    now = StateFile(path).read()
    status = _gauge("iteration_status", "1 for what the present iteration does.", "status")
    yield _filled(status, {str(one): float(now is not None and now.status == one) for one in Status})


def _failed_calls(path: Path) -> Iterator[Metric]:
    yield _failing(FailedCallsFile(path).read())


def _failing(now: FailedCalls | None) -> Metric:
    told = "Calls of kedro iterate in a row that ended by an error."
    return _single("iterate_failed_calls", told, now.calls if now else 0)


def _promotions(path: Path) -> Iterator[Metric]:
    lines = list(map(json.loads, read_lines(path)))
    changes = Counter((line["capability"], line["cause"]) for line in lines if "refused" not in line)
    found = {(line["capability"], cause): 0 for line in lines for cause in CAUSES} | changes
    family = _counter("champion_changes", "Changes of champions, by what brought them about.", "capability", "cause")
    for labels, number in found.items():
        family.add_metric(labels, number)
    yield family


def _object(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


_READERS: Final[Mapping[Path, Read]] = {
    DRIFT: _drift,
    QUALITY: _quality,
    LABELS: _labels,
    REJECTS: _rejects,
    SPLITS: _splits,
    LEDGER: _iterations,
    STATE: _iteration,
    FAILED_CALLS: _failed_calls,
    Path(PROMOTIONS): _promotions,
}

_WITHOUT_FILE: Final[Mapping[Path, Callable[[], Iterable[Metric]]]] = {
    LEDGER: lambda: _ended([]),
    FAILED_CALLS: lambda: [_failing(None)],
}
"""File -> what is told where it is absent."""
