import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cu_pipeline.service.metrics import MOST_VERSIONS, Metrics

LIMIT = 64_000
LONG = "x" * 80


@pytest.fixture
def metrics(tmp_path: Path) -> Iterator[Metrics]:
    made = Metrics(tmp_path / "metrics", "1.2.3")
    yield made
    made.close()


def values(metrics: Metrics) -> dict[str, dict[tuple[str, ...], float]]:
    """Parse what is rendered: sample -> values of its labels, by the labels' names -> value."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        assert family.documentation
        for sample in family.samples:
            key = tuple(value for _, value in sorted(sample.labels.items()))
            of_sample = found.setdefault(sample.name.removeprefix("cu_pipeline_"), {})
            assert key not in of_sample
            of_sample[key] = sample.value
    return found


def test_what_is_told_is_rendered(metrics: Metrics) -> None:
    for seconds, status in ((0.004, 200), (0.4, 200), (700, 503)):
        metrics.request("/classify", "POST", status, seconds)
    metrics.refusal("rate")
    metrics.prediction("topic", "sport", "abc", 0.92)
    for size in (1, 3, 100):
        metrics.batch("encode", size)
    metrics.queue("video", 7)
    metrics.queue("video", 5)
    metrics.log_failure()
    metrics.shadow("topic", agrees=True, seconds=0.1)
    metrics.shadow("topic", agrees=False, seconds=0.3)
    found = values(metrics)
    assert found["requests_total"] == {("POST", "/classify", "200"): 2, ("POST", "/classify", "503"): 1}
    buckets = found["request_seconds_bucket"]
    assert [buckets[bound, "/classify"] for bound in ("0.005", "0.5", "+Inf")] == [1, 2, 3]
    assert found["request_seconds_count"]["/classify",] == 3
    assert found["request_seconds_sum"]["/classify",] == pytest.approx(700.404)
    assert found["refusals_total"] == {("rate",): 1}
    assert found["predictions_total"] == {("topic", "sport", "abc"): 1}
    assert found["confidence_bucket"]["topic", "0.95"] == 1
    assert [found["batch_size_bucket"][bound, "encode"] for bound in ("1.0", "2.0", "4.0", "64.0", "+Inf")] == [
        1,
        1,
        2,
        2,
        3,
    ]
    assert found["queue_waiting"] == {("video",): 5}
    assert (found["log_failures_total"], found["decoder_restarts_total"]) == ({(): 1}, {(): 0})
    assert found["shadow_answers_total"] == {("false", "topic"): 1, ("true", "topic"): 1}
    assert found["shadow_seconds_sum"]["topic",] == pytest.approx(0.4)
    assert (found["build_info"], found["workers"]) == ({("1.2.3",): 1}, {(): 1})


def test_names_follow_prometheus_conventions(metrics: Metrics) -> None:
    metrics.request("/classify", "POST", 200, 0.1)
    for family in text_string_to_metric_families(metrics.render().decode()):
        assert family.name.startswith("cu_pipeline_")
        assert family.type in {"counter", "gauge", "histogram"}
        assert family.documentation.endswith(".")


def test_no_client_makes_it_long(metrics: Metrics) -> None:
    for number in range(3000):
        metrics.request(f"/{number}" * 50, f"M{number}", number, 0.01)
        metrics.refusal(f"r{number}")
        metrics.prediction(f"c{number % 40}", f"l{number % 77}" * 90, f"v{number % 5}", 0.5)
        metrics.batch(f"s{number}", 1)
        metrics.queue(f"q{number}", 1)
        metrics.shadow(f"c{number}", agrees=True, seconds=1)
    found = values(metrics)
    assert sum(found["requests_total"].values()) == 3000
    assert sum(found["predictions_total"].values()) == 3000
    assert len(metrics.render()) < 2 * LIMIT
    assert found["refusals_total"]["other",] > 2900


def test_random_paths_leave_it_short(metrics: Metrics) -> None:
    for route in ("/classify", "/classify_batch", "/embed", "/capabilities", "/feedback", "/metrics", "/readyz"):
        for status in (200, 400, 401, 413, 422, 429, 503):
            metrics.request(route, "POST", status, 0.01)
    for capability in ("topic", "safety"):
        for label in range(12):
            metrics.prediction(capability, f"label {label}", "abcdef012345", 0.5)
    for _ in range(3000):
        metrics.request("other", "GET", 404, 0.001)
    assert len(metrics.render()) < LIMIT


def test_the_newest_models_have_counts_of_their_own(tmp_path: Path, metrics: Metrics) -> None:
    worker(tmp_path / "metrics").communicate("")
    worker(tmp_path / "metrics").communicate("")  # takes over what the former one counted
    metrics.log_failure()
    for number in range(MOST_VERSIONS + 3):
        for label in ("sport", *map(str, range(19))):  # of all versions more than MOST_PREDICTIONS
            metrics.prediction("topic", label, f"v{number}", 0.5)
        metrics.prediction("safety", LONG, "v0", 0.5)
    found = values(metrics)
    versions = {version for capability, _, version in found["predictions_total"] if capability == "topic"}
    assert versions == {f"v{number}" for number in range(3, MOST_VERSIONS + 3)}
    assert found["predictions_total"]["safety", LONG, "v0"] == MOST_VERSIONS + 3
    assert found["log_failures_total"] == {(): 1}
    assert found["requests_total"] == {("POST", "/classify", "200"): 20}
    metrics.prediction("topic", "sport", "v10", 0.5)
    assert values(metrics)["predictions_total"]["topic", "sport", "v10"] == 2
    assert not list((tmp_path / "metrics").glob("*.new"))


def test_odd_labels_are_escaped(metrics: Metrics) -> None:
    metrics.prediction("topic", 'a"b\\c\nd é', "v", 0.5)
    assert ("topic", 'a"b\\c\nd é', "v") in values(metrics)["predictions_total"]


def test_a_confidence_that_is_no_number_is_left_out(metrics: Metrics) -> None:
    metrics.prediction("topic", "none", "v", float("nan"))
    found = values(metrics)
    assert found["predictions_total"] == {("topic", "none", "v"): 1}
    assert "confidence_sum" not in found


_WORKER = """
import sys
from pathlib import Path
from cu_pipeline.service.metrics import MOST_VERSIONS, Metrics
metrics = Metrics(Path(sys.argv[1]))
for _ in range(10):
    metrics.request("/classify", "POST", 200, 0.2)
metrics.queue("video", 3)
print("counted", flush=True)
sys.stdin.read()
"""


def worker(folder: Path) -> subprocess.Popen[str]:
    """Start another worker of the same service, which has counted and waits."""
    # BentoML tells its workers a folder of its own, which must not matter
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder.parent / "elsewhere")}
    command = [sys.executable, "-c", _WORKER, str(folder)]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    return process


def test_workers_add_up_and_dead_ones_leave_their_counts_but_no_queue(tmp_path: Path, metrics: Metrics) -> None:
    folder = tmp_path / "metrics"
    metrics.request("/classify", "POST", 200, 0.2)
    metrics.queue("video", 2)
    first, second = worker(folder), worker(folder)
    found = values(metrics)
    assert found["requests_total"] == {("POST", "/classify", "200"): 21}
    assert (found["queue_waiting"], found["workers"]) == ({("video",): 8}, {(): 3})
    first.send_signal(signal.SIGKILL)
    first.communicate()
    found = values(metrics)
    assert found["requests_total"] == {("POST", "/classify", "200"): 21}
    assert (found["queue_waiting"], found["workers"]) == ({("video",): 5}, {(): 2})
    second.communicate("")
    for _ in range(2):
        worker(folder).communicate("")
    found = values(metrics)
    assert found["requests_total"] == {("POST", "/classify", "200"): 41}
    assert found["request_seconds_bucket"]["+Inf", "/classify"] == 41
    assert found["request_seconds_bucket"]["0.1", "/classify"] == 0
    assert found["queue_waiting"] == {("video",): 2}
    assert len(list(folder.iterdir())) <= 12  # restarts do not pile up files
    assert not (tmp_path / "elsewhere").exists()


def test_services_with_other_folders_do_not_touch_each_other(tmp_path: Path, metrics: Metrics) -> None:
    metrics.request("/classify", "POST", 200, 0.2)
    other = Metrics(tmp_path / "other")
    other.request("/embed", "POST", 200, 0.2)
    assert list(values(other)["requests_total"]) == [("POST", "/embed", "200")]
    assert list(values(metrics)["requests_total"]) == [("POST", "/classify", "200")]
    other.close()
    other.request("/embed", "POST", 200, 0.2)  # a thread that ends late


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Metrics(tmp_path / "file" / "metrics")
