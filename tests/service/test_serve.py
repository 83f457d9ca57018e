"""`bentoml serve` in the project's folder, as a user starts it, with small random models."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import pairwise
from threading import Event
from types import SimpleNamespace

import httpx
import psutil
import pytest
from kedro.io import DataCatalog, MemoryDataset

from cu_pipeline.cli.model_changes import former_champion, make, plan
from cu_pipeline.cli.model_project import ModelProject
from cu_pipeline.core.capability import Kind
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.core.telemetry import SWITCHES
from cu_pipeline.datasets.bundles import BundlesDataset
from cu_pipeline.datasets.objects import JSONObjectLog
from cu_pipeline.inference.prediction_log import read_log
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.service.engine.warm_up import write_grey_clip
from cu_pipeline.tracking import registry
from cu_pipeline.tracking.promotions import Promotion

pytestmark = pytest.mark.slow


@contextmanager
def serving(root, folder, bundles, settings=None):
    """Run `bentoml serve` in the project's folder; give the process and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    variables = os.environ | SWITCHES
    variables |= {
        "CU_PIPELINE_BUNDLES": str(bundles),
        "CU_PIPELINE_PREDICTION_LOG": str(folder / "log"),
        "CU_PIPELINE_MAX_BODY_BYTES": "4000000",
        "BENTOML_HOME": str(folder / "home"),
        "OMP_NUM_THREADS": "1",
    } | (settings or {})
    (folder / "home").mkdir()
    command = [sys.executable, "-m", "bentoml", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=root, env=variables, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield process, f"http://127.0.0.1:{port}"
        finally:
            stop(process)


def stop(process):
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)


@pytest.fixture(scope="module")
def running(project_root, tmp_path_factory, make_bundle):
    """Run a service; give its process, its address and the folder of its log, its bundles and its temporary files."""
    folder = tmp_path_factory.mktemp("serve")
    make_bundle("safety", Kind.MULTI, ("advert", "violence")).save(folder / "bundles" / "safety")
    (folder / "temporary").mkdir()
    settings = {
        "TMPDIR": str(folder / "temporary"),
        "CU_PIPELINE_DRAIN_S": "1",
        "CU_PIPELINE_ENGINE_DECODERS": "2",
    }
    with serving(project_root, folder, folder / "bundles", settings) as (process, url):
        wait(process, url, folder / "output")
        yield SimpleNamespace(process=process, url=url, folder=folder)


@pytest.fixture
def service(running):
    """Give the address of the running service and its folder."""
    return running.url, running.folder


def wait(process, url, output):
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, output.read_text()
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz", trust_env=False, timeout=5).is_success:
                return
        time.sleep(0.2)
    pytest.fail(output.read_text())


def decoders(process):
    """Give the processes in which a service decodes media."""
    found = psutil.Process(process.pid).children(recursive=True)
    return [child for child in found if "cu_pipeline.compute.worker" in child.cmdline()]


def post(url, **request):
    return httpx.post(f"{url}/classify", trust_env=False, timeout=60, **request)


def test_the_command_of_the_readme_answers_as_the_models_do_offline(service, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    url, folder = service
    clip = write_grey_clip(tmp_path / "clip.mp4")
    command = ["curl", "-sS", "--noproxy", "*", "-F", f"video=@{clip}", "-F", "caption=a caption", f"{url}/classify"]
    answer = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    offline = Predictor.load(folder / "bundles").predict(clip, "a caption")
    safety = answer["capabilities"]["safety"]
    assert safety["probabilities"] == pytest.approx(offline.probabilities["safety"], abs=1e-4)
    assert safety["label"] == offline.labels["safety"]
    assert safety["model_version"] == offline.versions["safety"]
    records = {record.request_id: record for record in read_log(folder / "log").records}
    assert records[answer["request_id"]].facts["width"] == 64


def test_text_alone_and_video_alone_are_answered(service, tmp_path):
    url, _ = service
    clip = write_grey_clip(tmp_path / "clip.mp4")
    assert post(url, files={"caption": (None, "2024")}).status_code == 200
    assert post(url, files={"video": (clip.name, clip.read_bytes())}).status_code == 200


def test_what_is_no_clip_is_refused_with_its_reason(service):
    url, folder = service
    before = len(read_log(folder / "log").records)
    response = post(url, files={"video": ("clip.mp4", b"no video at all" * 99)})
    assert (response.status_code, response.json()["reason"]) == (422, "not_media")
    assert post(url, files={"video": ("clip.mp4", b"")}).status_code == 422
    assert len(read_log(folder / "log").records) == before


def test_a_url_in_the_files_place_opens_no_connection(service):
    url, _ = service
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(1)
        place = f"http://127.0.0.1:{listener.getsockname()[1]}/clip.mp4"
        assert post(url, files={"video": (None, place)}).status_code == 400
        with pytest.raises(TimeoutError):
            listener.accept()


def test_foreign_types_and_large_bodies_are_refused(service):
    url, _ = service
    pickled = post(url, content=b"cos\nsystem\n.", headers={"content-type": "application/vnd.bentoml+pickle"})
    assert pickled.status_code == 415
    with socket.create_connection((url.split("/")[2].split(":")[0], int(url.rsplit(":", 1)[1]))) as raw:
        raw.settimeout(30)
        raw.sendall(
            b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Length: 300000000\r\n\r\n"
        )
        assert b" 413 " in raw.recv(200).split(b"\r\n")[0]


def test_the_capabilities_are_listed(service):
    url, folder = service
    listed = httpx.get(f"{url}/capabilities", trust_env=False, timeout=30).json()["capabilities"]
    version = json.loads((folder / "bundles/safety/bundle.json").read_text())["version"]
    assert listed.keys() == {"safety"}
    assert (listed["safety"]["model_version"], listed["safety"]["classes"]) == (version, ["advert", "violence"])


def models_of(bundles, ledger, name):
    """What `kedro models` opens, of a project whose champions are served."""
    of = "cu_pipeline.tracking.promotions.Promotion"
    catalog = DataCatalog(
        {
            "champions": BundlesDataset(filepath=str(bundles)),
            "served_champions": BundlesDataset(filepath=str(bundles), lenient=True),
            "bundle_cache": MemoryDataset({}),
            "promotions": JSONObjectLog(filepath=str(ledger), of=of),
            "earlier_promotions": JSONObjectLog(filepath=str(ledger), of=of),
            "capabilities_resolved": MemoryDataset(ResolvedCapabilities(skipped={name: "not read here"})),
        }
    )
    return ModelProject(catalog, {"capabilities": SimpleNamespace(root={name: None})})


@contextmanager
def clients(url, number):
    """Let clients ask all the time; give the list of the answers' status codes and model versions."""
    answers, ended = [], Event()

    def ask():
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
            while not ended.is_set():
                reply = client.post("/classify", json={"caption": "a caption"})
                version = reply.json()["capabilities"]["safety"]["model_version"] if reply.is_success else reply.text
                answers.append((reply.status_code, version))

    with ThreadPoolExecutor(number) as threads:
        asking = [threads.submit(ask) for _ in range(number)]
        try:
            yield answers
        finally:
            ended.set()
    for one in asking:
        one.result()


def test_a_rollback_is_answered_by_within_10_seconds_and_no_request_of_6_clients_is_lost(
    service, tracked_root, make_bundle
):
    url, folder = service
    older, newer = (make_bundle("safety", Kind.MULTI, ("advert", "violence"), seed=seed) for seed in (1, 2))
    models = models_of(folder / "bundles", folder / "promotions.jsonl", "safety")
    for bundle in (older, newer):
        bundle.save(folder / bundle.version)
        registry.register(folder / bundle.version, "safety", bundle.version, registry.CHAMPION)
    steps = pairwise([None, older.version, newer.version])
    models.catalog.save("promotions", [Promotion.now("safety", step, "gate", "better") for step in steps])
    with clients(url, 6) as answers:
        models.catalog.save("champions", {"safety": newer})
        until(lambda: answers and answers[-1][1] == newer.version, 60)
        former = former_champion(models, "safety", None)
        make(models, plan(models, "safety", former, "rollback", "too many adverts"), [])
        until(lambda: answers[-1][1] == older.version, 10)
        time.sleep(1)
    assert {status for status, _ in answers} == {200}
    assert {version for _, version in answers[-6:]} == {older.version}
    assert f"safety: serving {older.version} instead of {newer.version}" in (folder / "output").read_text()


def until(holds, seconds):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


def worker(process):
    """Give the process that answers for a service."""
    (found,) = (
        one for one in psutil.Process(process.pid).children() if "_bentoml_impl.worker.service" in one.cmdline()
    )
    return found


def half_an_upload(url):
    """Open a connection, and send the beginning of a clip: more than is held in memory."""
    connection = socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])))
    head = "POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3999999\r\n"
    kind = "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    part = '--b\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n' + "private" * 2**18
    connection.sendall((head + kind + part).encode())
    return connection


def uploads(folder):
    return list(folder.glob("temporary/cu_pipeline-serve-*/worker-*/request-*"))


def test_decoders_and_workers_may_die(running, tmp_path):
    clip = write_grey_clip(tmp_path / "clip.mp4").read_bytes()
    first = decoders(running.process)
    assert len(first) == 2
    for decoder in first:
        decoder.kill()
    for _ in range(2):
        assert post(running.url, files={"video": ("clip.mp4", clip)}).status_code == 200
    assert not set(first) & set(decoders(running.process))

    killed = worker(running.process)
    until(lambda: not uploads(running.folder), 5)  # those of answered requests go after their answers
    with half_an_upload(running.url):
        until(lambda: uploads(running.folder), 5)
        killed.kill()
        until(lambda: post_or_none(running.url) == 200, 60)
        until(lambda: not uploads(running.folder), 5)


def test_the_end_is_bounded_and_leaves_nothing(running):
    """The last test of that service, which it ends."""
    left = decoders(running.process)
    until(lambda: not uploads(running.folder), 5)
    with half_an_upload(running.url) as connection:
        until(lambda: uploads(running.folder), 5)
        time.sleep(1)  # all that was sent is read by then: a connection with unread bytes would be reset
        began = time.monotonic()
        running.process.terminate()
        assert running.process.wait(20) == 0
        assert time.monotonic() - began < 10
        assert b"shutting_down" in connection.recv(4000)
    assert psutil.wait_procs(left, timeout=5)[1] == []
    assert list(running.folder.glob("temporary/cu_pipeline-serve-*")) == []
    assert "Traceback" not in (running.folder / "output").read_text()


def test_workers_end_with_a_supervisor_that_is_killed(project_root, tmp_path, make_bundle):
    make_bundle("safety", Kind.MULTI, ("advert", "violence")).save(tmp_path / "bundles" / "safety")
    with serving(project_root, tmp_path, tmp_path / "bundles") as (process, url):
        wait(process, url, tmp_path / "output")
        left = [worker(process), *decoders(process)]
        process.kill()
        assert psutil.wait_procs(left, timeout=20)[1] == []
        with pytest.raises(httpx.ConnectError):
            post(url, json={"caption": "a caption"})


def post_or_none(url):
    with suppress(httpx.TransportError):
        return post(url, json={"caption": "a caption"}).status_code
    return None


def test_without_models_the_service_ends_and_says_what_to_run(project_root, tmp_path):
    with serving(project_root, tmp_path, tmp_path / "absent") as (process, _):
        assert process.wait(60) == 1
        output = (tmp_path / "output").read_text()
    assert "the service cannot start: no model to serve" in output
    assert "Run `make run` first" in output
    assert output.count("cannot start") == 1


def test_a_damaged_model_ends_the_service_with_one_line(project_root, tmp_path, make_bundle):
    make_bundle("safety", Kind.MULTI, ("advert", "violence")).save(tmp_path / "bundles" / "safety")
    weights = tmp_path / "bundles" / "safety" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with serving(project_root, tmp_path, tmp_path / "bundles") as (process, _):
        assert process.wait(60) == 1
        output = (tmp_path / "output").read_text()
    assert "a file was changed" in output
    assert output.count("cannot start") == 1
    assert "Traceback" not in output
