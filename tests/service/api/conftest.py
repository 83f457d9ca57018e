"""The HTTP layer around an engine that answers without models, and a real prediction log."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from starlette.testclient import TestClient

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.caption_text import clean_caption
from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.core.hashing import file_sha256, text_sha256
from cu_pipeline.core.scope import Scope
from cu_pipeline.inference.prediction import Prediction
from cu_pipeline.inference.prediction_log import PredictionLog
from cu_pipeline.service.api.application import application
from cu_pipeline.service.api.running import Running
from cu_pipeline.service.engine.interface import Answered, OverloadedError
from cu_pipeline.service.environment import Settings
from cu_pipeline.service.metrics import Metrics
from cu_pipeline.service.security.settings import SecuritySettings
from cu_pipeline.service.workspace import Workspace


@dataclass
class StandInBundle:
    capability: str
    version: str
    kind: Kind
    classes: tuple[str, ...]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    scope: Scope = field(default_factory=Scope)
    family: str = "linear"


TOPIC = StandInBundle("topic", "abc123abc123", Kind.SINGLE, ("cooking", "sport"))
SAFETY = StandInBundle("safety", "def456def456", Kind.MULTI, ("advert", "violence"), {"advert": 0.35})


class StandInEngine:
    """Refuses the bytes `broken`; the captions `full`, `slow` and `fail` do so; the feed `texts` is foreign."""

    def __init__(self):
        self.seen = []
        self.cancelled = 0
        self.full = False

    async def classify(self, request):
        content = None if request.media is None else request.media.read_bytes()
        self.seen.append((content, request))
        if content == b"broken":
            raise BadClipError(Reason.NOT_MEDIA, "not a media file")
        if request.caption == "full":
            raise OverloadedError("text", 7)
        if request.caption == "fail":
            raise ZeroDivisionError("/secret/path")
        if request.caption == "slow":
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        return self._answered(request, content)

    embed = classify

    def check_room(self, has_media, beside=0):
        if self.full:
            raise OverloadedError("video" if has_media else "text", 7)

    def _answered(self, request, content):
        asked = [
            one for one in (SAFETY, TOPIC) if request.capabilities is None or one.capability in request.capabilities
        ]
        foreign = {"topic": "it applies to feeds: videos, not texts"} if request.told.get("feed") == "texts" else {}
        said = {
            "topic": ({"cooking": 0.25, "sport": 0.75}, "sport"),
            "safety": ({"advert": 0.1, "violence": 0.2}, "none"),
        }
        said = {one.capability: said[one.capability] for one in asked if one.capability not in foreign}
        prediction = Prediction(
            probabilities={name: one[0] for name, one in said.items()},
            labels={name: one[1] for name, one in said.items()},
            versions={one.capability: one.version for one in asked},
            embedding=np.arange(4, dtype=np.float32),
            parts={"frames@1a": 3, "captions@2b": 1},
            facts={"text_length": float(len(request.caption)), "fps": float("nan")},
            not_applicable=foreign,
        )
        text = clean_caption(request.caption)
        media = "" if content is None else file_sha256(request.media)
        return Answered(prediction, {"queue": 0.5, "score": 1.25}, media, text_sha256(text) if text else "")

    async def shadow(self, answered):
        return {}

    def bundles(self):
        return {one.capability: one for one in (SAFETY, TOPIC)}

    def challengers(self):
        return {}

    def ready(self):
        return True


def make_service(folder, engine=None, **settings):
    """Give the HTTP layer: its engine, its log, its ASGI application and the folder for what requests bring."""
    (folder / "work").mkdir(parents=True)
    engine = engine or StandInEngine()
    log = PredictionLog.open(str(folder / "log"))
    metrics = Metrics(folder / "metrics", "1.2.3")
    settings |= {"security": SecuritySettings(keys=folder / "keys.json")}
    told = Settings(
        **{"max_body_bytes": 2_000_000, "upload_idle_s": 0.3, "upload_total_s": 1.0, "deadline_s": 5} | settings
    )
    running = Running(told, engine, log, metrics, Workspace(folder / "work"), "1.2.3")
    return SimpleNamespace(engine=engine, log=log, running=running, app=application(running), folder=folder)


def close(service):
    service.log.close()
    service.running.metrics.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    made = make_service(tmp_path_factory.mktemp("service"))
    yield made
    close(made)


@pytest.fixture
def client(service):
    service.engine.seen.clear()
    with TestClient(service.app, base_url="http://localhost", client=("127.0.0.1", 1)) as client:
        yield client


class Connection:
    """One request as a server sees it, message by message; a body that ends early is never continued.

    Args:
        messages: of the client: bytes, `None` for its leaving, or a number of seconds of silence.
    """

    def __init__(self, app, path="/classify", messages=(), headers=(), method="POST", whole=True):
        self.app, self.messages, self.sent, self.whole = app, list(messages), [], whole
        self.scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in [("host", "localhost"), *headers]],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "scheme": "http", "http_version": "1.1",
            "root_path": "",
        }  # fmt: skip

    async def receive(self):
        while self.messages:
            message = self.messages.pop(0)
            if message is None:
                return {"type": "http.disconnect"}
            if isinstance(message, bytes):
                more = any(isinstance(one, bytes) for one in self.messages)
                return {"type": "http.request", "body": message, "more_body": more or not self.whole}
            await asyncio.sleep(message)
        return await asyncio.Event().wait()

    async def send(self, message):
        self.sent.append(message)

    async def run(self):
        await self.app(self.scope, self.receive, self.send)
        return self

    @property
    def status(self):
        return self.sent[0]["status"] if self.sent else None

    @property
    def headers(self):
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    def json(self):
        return json.loads(b"".join(message.get("body", b"") for message in self.sent[1:]))


@pytest.fixture
def connect(service):
    """Give a function that makes a request to the service, to be run."""
    return lambda *args, app=None, **kwargs: Connection(app or service.app, *args, **kwargs)


@pytest.fixture
def new_service(tmp_path):
    """Give a function that makes a service of its own with other settings."""
    made = []

    def make(**settings):
        made.append(make_service(tmp_path / str(len(made)), **settings))
        return made[-1]

    yield make
    for one in made:
        close(one)
