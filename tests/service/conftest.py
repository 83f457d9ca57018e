from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.core.scope import Scope
from cu_pipeline.inference.predictor import Prediction
from cu_pipeline.service.app import ContentUnderstanding
from cu_pipeline.service.live_predictor import Kept, LivePredictor, signatures


@dataclass
class StandInBundle:
    version: str = "abc123abc123"
    kind: Kind = Kind.SINGLE
    classes: tuple[str, ...] = ("cooking", "sport")
    scope: Scope = field(default_factory=Scope)


@dataclass
class StandInPredictor:
    """Answers like the real one without models; the bytes `broken` are refused, and the feed `texts` is foreign."""

    bundles: dict[str, StandInBundle] = field(default_factory=lambda: {"topic": StandInBundle()})
    seen: list[tuple[bytes | None, str]] = field(default_factory=list)
    told: Mapping[str, str] | None = None
    closed: bool = False

    def predict(self, media: Path | None, text: str, told: Mapping[str, str] | None = None) -> Prediction:
        content, self.told = None if media is None else media.read_bytes(), told
        foreign = {"topic": "it applies to feeds: videos, not texts"} if (told or {}).get("feed") == "texts" else {}
        self.seen.append((content, text))
        if content == b"broken":
            raise BadClipError(Reason.NOT_MEDIA, "not a media file")
        return Prediction(
            probabilities={} if foreign else {"topic": {"cooking": 0.25, "sport": 0.75}},
            labels={} if foreign else {"topic": "sport"},
            versions={"topic": "abc123abc123"},
            embedding=np.arange(1664, dtype=np.float32),
            parts={"frames@1a": 1280, "captions@2b": 384},
            facts={"text_length": float(len(text)), "fps": float("nan")},
            not_applicable=foreign,
        )

    def close(self) -> None:
        self.closed = True


def with_stand_in(stand_in, folder, workers):
    kept = {name: Kept(found, StandInBundle()) for name, found in signatures(folder).items()}
    return LivePredictor(folder, stand_in, kept, workers)


@pytest.fixture(scope="session")
def stand_in():
    return StandInPredictor()


@pytest.fixture
def predictor(stand_in):
    stand_in.seen.clear()
    return stand_in


@pytest.fixture(scope="session")
def application(tmp_path_factory, stand_in):
    """Give a client of the service and the folder of its log, one for all: BentoML allows one a process."""
    folder = tmp_path_factory.mktemp("service")
    (folder / "bundles" / "topic").mkdir(parents=True)
    (folder / "bundles" / "topic" / "bundle.json").write_text("{}")
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # while it starts: other tests of this process need the real ones
            patch.setenv("CU_PIPELINE_BUNDLES", str(folder / "bundles"))
            patch.setenv("CU_PIPELINE_PREDICTION_LOG", str(folder / "log"))
            patch.setattr(LivePredictor, "start", partial(with_stand_in, stand_in))
            client = stack.enter_context(TestClient(ContentUnderstanding.to_asgi(), raise_server_exceptions=False))
        yield client, folder / "log"
    assert stand_in.closed


@pytest.fixture
def client(application, predictor):
    return application[0]
