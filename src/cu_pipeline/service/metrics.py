"""What people on call see of the service, as Prometheus reads it."""

import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from cu_pipeline.service.metric_files import OTHER, MetricFiles

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

MOST_ROUTES: Final = 20
MOST_STATUSES: Final = 24
MOST_CAPABILITIES: Final = 16
MOST_CLASSES: Final = 24
MOST_VERSIONS: Final = 8
MOST_REASONS: Final = 48
MOST_NAMES: Final = 16
"""Different labels of one kind; later ones are called `other`, and of versions those stay that answered last."""
MOST_PREDICTIONS: Final = 200
"""Different sets of labels of the predictions in all."""

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""From a caption that is in memory to the longest upload."""
SIZES: Final = (1, 2, 4, 8, 16, 32, 64)
CONFIDENCES: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)

_UNLABELLED: Final = {
    "log_failures": "Answers that the prediction log did not take.",
    "captures_lost": "Requests that were answered and should have been kept to be labelled, and could not be.",
    "decoder_restarts": "Decoding processes that were replaced.",
}
_LONGEST: Final = 80
_PREDICTION: Final = "prediction"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"})


class Metrics:
    """Counts what a worker does, and renders what all workers of the service did.

    Calls are safe from all threads, and their labels are bounded, whatever clients send.

    Args:
        folder: of the counts, the same for all workers of one service and no other's.
        version: of the service.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, version: str = "") -> None:
        self._files = MetricFiles(folder)
        self._version = version
        self._bounds = _Bounds()
        self._versions = _Recent(MOST_VERSIONS)
        for name, told in _UNLABELLED.items():  # a count that appears with its first event shows no increase
            self._count(name, told, {}, 0)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request and its answer.

        Args:
            route: template of the route that answered, such as `/captures/{request_id}`; any text where none did.
            method: HTTP's.
            status: HTTP's.
            seconds: from the request's head to the end of the answer.
        """
        route = self._bounds.bound("route", route, MOST_ROUTES)
        labels = {
            "route": route,
            "method": method if method in _METHODS else OTHER,
            "status": self._bounds.bound("status", str(status), MOST_STATUSES),
        }
        self._count("requests", "Requests that were answered.", labels)
        told = "From a request's head to the end of its answer."
        self._observe("request_seconds", told, {"route": route}, seconds, SECONDS)

    def refusal(self, reason: str) -> None:
        """Count an answer that is not the one asked for, by its stable code."""
        labels = {"reason": self._bounds.bound("reason", reason, MOST_REASONS)}
        self._count("refusals", "Requests that were refused.", labels)

    def prediction(self, capability: str, label: str, version: str, confidence: float) -> None:
        """Count an answer about a clip.

        Args:
            capability: that was recognised.
            label: that was answered.
            version: of the model.
            confidence: probability of the answer, in [0, 1].
        """
        capability = self._bounds.bound("capability", capability, MOST_CAPABILITIES)
        if (former := self._versions.use(capability, version[:_LONGEST])) is not None:
            self._forget(capability, former)
        label = self._bounds.bound(f"label of {capability}", label, MOST_CLASSES)
        labels = {"capability": capability, "label": label, "version": version[:_LONGEST]}
        if self._bounds.bound(_PREDICTION, _joined(labels), MOST_PREDICTIONS, 4 * _LONGEST) == OTHER:
            labels |= {"label": OTHER, "version": OTHER}
        self._count("predictions", "Answers by label and model.", labels)
        told = "Probability of the label that was answered."
        self._observe("confidence", told, {"capability": capability}, confidence, CONFIDENCES)

    def batch(self, stage: str, size: int) -> None:
        """Record how many clips were computed together in a stage, such as `encode`."""
        labels = {"stage": self._bounds.bound("stage", stage, MOST_NAMES)}
        self._observe("batch_size", "Clips that were computed together.", labels, size, SIZES)

    def queue(self, lane: str, waiting: int) -> None:
        """Record how many requests are in a lane of this worker now."""
        labels = {"lane": self._bounds.bound("lane", lane, MOST_NAMES)}
        self._files.set(
            "cu_pipeline_queue_waiting", labels, "Requests that wait or are worked on, of all workers.", waiting
        )

    def log_failure(self) -> None:
        """Count an answer that was not written to the prediction log."""
        self._count("log_failures", _UNLABELLED["log_failures"], {})

    def capture_lost(self) -> None:
        """Count a request that was not kept to be labelled, though it should have been."""
        self._count("captures_lost", _UNLABELLED["captures_lost"], {})

    def decoder_restart(self) -> None:
        """Count a decoding process that was replaced."""
        self._count("decoder_restarts", _UNLABELLED["decoder_restarts"], {})

    def shadow(self, capability: str, agrees: bool, seconds: float) -> None:
        """Count an answer of a challenger that was asked beside the champion.

        Args:
            capability: that it recognises.
            agrees: whether it gives the champion's label.
            seconds: that it took.
        """
        capability = self._bounds.bound("capability", capability, MOST_CAPABILITIES)
        labels = {"capability": capability, "agrees": "true" if agrees else "false"}
        self._count("shadow_answers", "Answers of challengers beside the champion's.", labels)
        told = "Time that a challenger took."
        self._observe("shadow_seconds", told, {"capability": capability}, seconds, SECONDS)

    def render(self) -> bytes:
        """Write the counts of all workers as Prometheus reads them, of type `CONTENT_TYPE`."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """Give all metrics; prometheus_client calls it."""
        yield from sorted(self._files.collect(), key=lambda metric: metric.name)
        build = GaugeMetricFamily("cu_pipeline_build_info", "Version of the service.", labels=["version"])
        build.add_metric([self._version], 1)
        workers = GaugeMetricFamily("cu_pipeline_workers", "Processes that answer.", self._files.processes())
        yield from (build, workers)

    def close(self) -> None:
        """End this worker's part; what it counted stays."""
        self._files.close()

    def _forget(self, capability: str, version: str) -> None:
        """Leave out the counts of a model that has not answered for longest, so that the newest always has its own."""
        of_it = {"capability": capability, "version": version}
        self._files.forget("cu_pipeline_predictions", of_it)
        self._bounds.release(
            _PREDICTION, lambda known: known.startswith(f"{capability}\n") and known.endswith(f"\n{version}")
        )

    def _count(self, name: str, told: str, labels: Mapping[str, str], amount: int = 1) -> None:
        self._files.count(f"cu_pipeline_{name}", labels, told, amount)

    def _observe(self, name: str, told: str, labels: Mapping[str, str], value: float, buckets: Sequence[float]) -> None:
        if not math.isfinite(value):
            return
        self._files.observe(f"cu_pipeline_{name}", labels, told, value, (*buckets, math.inf))


class _Recent:
    """Remembers, of each kind, the values that were used last.

    Args:
        most: values of a kind.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._used: defaultdict[str, OrderedDict[str, None]] = defaultdict(OrderedDict)

    def use(self, kind: str, value: str) -> str | None:
        """Use a value; gives the one that is forgotten for it, if any."""
        with self._lock:
            used = self._used[kind]
            used[value] = None
            used.move_to_end(value)
            return used.popitem(last=False)[0] if len(used) > self._most else None


class _Bounds:
    """Keeps the number of different labels bounded: the first ones keep their names."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: defaultdict[str, set[str]] = defaultdict(set)

    def bound(self, kind: str, value: str, most: int, longest: int = _LONGEST) -> str:
        """The label of a value: its beginning, or `other` when `most` others of its kind came before."""
        known, value = self._known[kind], value[:longest]
        if value not in known:
            with self._lock:
                if len(known) >= most:
                    return OTHER
                known.add(value)
        return value

    def release(self, kind: str, gone: Callable[[str], bool]) -> None:
        """Make room for others in place of values that are gone."""
        with self._lock:
            self._known[kind] = {value for value in self._known[kind] if not gone(value)}


def _joined(labels: Mapping[str, str]) -> str:
    return "\n".join(labels.values())
