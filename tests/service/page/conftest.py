"""The page on a real server, around an engine that answers without models."""

import base64
import json
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
import uvicorn
from tests.service.api.conftest import SAFETY, TOPIC, StandInEngine, close, make_service
from tests.service.page.browser import CHROMIUM, browser

from cu_pipeline.core.capability import ABSTAIN
from cu_pipeline.inference.explanation import Explanation
from cu_pipeline.inference.prediction_log import read_feedback

PIXEL = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////"
    "////////2wBDAf//////////////////////////////////////////////////////////////////////////////////////wAARCAABAAED"
    "ASIAAhEBAxEB/8QAFAABAAAAAAAAAAAAAAAAAAAAA//EABQQAQAAAAAAAAAAAAAAAAAAAAD/xAAUAQEAAAAAAAAAAAAAAAAAAAAA/8QAFBEBAAAA"
    "AAAAAAAAAAAAAAAAAP/aAAwDAQACEQMRAD8AR//Z"
)
CHINESE = replace(SAFETY, classes=("暴力内容", "advert"), thresholds={"暴力内容": 0.4, "advert": 0.35})


class ExplainingEngine(StandInEngine):
    """Says of captions with `unsure` that it has no answer, and what it would say without the caption."""

    def _answered(self, request, content):
        answered = super()._answered(request, content)
        said = answered.prediction
        topic = {"cooking": 0.45, "sport": 0.55} if "unsure" in request.caption else {"cooking": 0.1, "sport": 0.9}
        safety = {"暴力内容": 0.8, "advert": 0.1}
        labels = {"topic": ABSTAIN if "unsure" in request.caption else "sport", "safety": "暴力内容"}
        without = {"topic": {"caption": {"cooking": 0.6, "sport": 0.4}, "frames": topic}, "safety": {"caption": safety}}
        explanation = Explanation(
            [(0.5, PIXEL), (1.5, PIXEL)] if content else [], "SHOP NOW" if content else "", without
        )
        found = replace(said, probabilities={"topic": topic, "safety": safety}, labels=labels, explanation=explanation)
        return replace(answered, prediction=found)

    def bundles(self):
        return {"safety": CHINESE, "topic": replace(TOPIC, thresholds={"cooking": 0.6, "sport": 0.6})}


MANY = replace(
    TOPIC,
    capability="مواضيع",
    version="aaa111aaa111",
    classes=tuple(f"موضوع رقم {number} {'a' * number}" for number in range(1, 61)),
)
ELSEWHERE = replace(TOPIC, capability="texts", version="bbb222bbb222")


class OddEngine(StandInEngine):
    """Answers with sixty classes of long names in another script, a set of them, and a capability that is elsewhere."""

    def _answered(self, request, content):
        answered = super()._answered(request, content)
        chances = {name: (60 - place) / 1830 for place, name in enumerate(MANY.classes)}
        found = replace(
            answered.prediction,
            probabilities={MANY.capability: chances},
            labels={MANY.capability: MANY.classes[0]},
            versions={MANY.capability: MANY.version, "texts": ELSEWHERE.version},
            sets={MANY.capability: list(MANY.classes[:3])},
            not_applicable={"texts": "it applies to feeds: texts.csv, not videos.csv"},
        )
        return replace(answered, prediction=found)

    def bundles(self):
        return {one.capability: one for one in (MANY, ELSEWHERE)}


def serve(application):
    """Serve an application on a free port of the loopback; gives its address and a function that ends it."""
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)

    def end():
        server.should_exit = True
        thread.join(10)

    return f"http://127.0.0.1:{door.getsockname()[1]}/", end


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A folder with a sample clip, and one that is told of and not there."""
    folder = tmp_path_factory.mktemp("samples")
    (folder / "goal.mp4").write_bytes(b"a clip")
    told = [{"file": "goal.mp4", "caption": "what a goal"}, {"file": "gone.mp4", "caption": "gone"}]
    (folder / "samples.json").write_text(json.dumps(told))
    return folder


@contextmanager
def page_of(folder, engine, samples):
    """A service with these samples, and its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cu_pipeline.service.environment.Settings.samples_folder", lambda self: samples)
        made = make_service(folder, engine=engine)
    made.url, end = serve(made.app)
    made.feedback = lambda: read_feedback(str(made.folder / "log"))
    yield made
    end()
    close(made)


@pytest.fixture(scope="module")
def served(tmp_path_factory, samples):
    """The service."""
    with page_of(tmp_path_factory.mktemp("page"), ExplainingEngine(), samples) as made:
        yield made


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """Another service, whose capabilities are unusual, and that offers no samples."""
    with page_of(tmp_path_factory.mktemp("odd"), OddEngine(), None) as made:
        yield made


@pytest.fixture(scope="module")
def tab():
    """A tab of a headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with browser() as opened:
        yield opened
