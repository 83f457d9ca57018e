"""Whether the container that is described holds all that the service imports."""

import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, files, requires
from pathlib import Path

import grimp
import httpx
import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from pathspec import GitIgnoreSpec
from tests.models.tiny_networks import tiny_text, tiny_video

from cu_pipeline.core.capability import Kind
from cu_pipeline.features.caption_text import CaptionText
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.features.image_text import ImageText
from cu_pipeline.features.pictures import Pictures
from cu_pipeline.features.pixels import PixelKeeper
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.ensemble import Ensemble, EnsembleOptions
from cu_pipeline.models.families import FAMILIES
from cu_pipeline.models.family import Examples
from cu_pipeline.models.linear import Linear, LinearOptions
from cu_pipeline.models.majority import Majority, MajorityOptions
from cu_pipeline.models.text_family import Text, TextOptions
from cu_pipeline.models.video_family import Video, VideoOptions
from cu_pipeline.models.zero_shot import ZeroShot, ZeroShotOptions
from cu_pipeline.service.engine.warm_up import write_grey_clip
from cu_pipeline.service.image import (
    INSTALL_WEIGHTS,
    LOCK,
    OPTIONAL,
    PACKED,
    REQUIREMENTS,
    UNUSED_WEIGHTS,
    locked,
    needed_packages,
    service_image,
)
from cu_pipeline.service.image import normalised as name_of

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import sys
from datetime import UTC, datetime
from pathlib import Path

import cu_pipeline.service.app
import cu_pipeline.service.api.application
from cu_pipeline.inference.prediction_log import PredictionLog, PredictionRecord
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.service.engine.warm_up import write_grey_clip

bundles, scratch = map(Path, sys.argv[1:])
predictor = Predictor.load(bundles, workers=1)
prediction = predictor.predict(write_grey_clip(scratch / "clip.mp4"), "a caption")
predictor.close()
print(*sorted(prediction.labels))
assert prediction.facts["width"] == 64
log = PredictionLog.open(str(scratch / "log"))
kept = PredictionRecord(
    time=datetime.now(UTC), request_id="r1", labels={}, probabilities={}, versions={}, embedding="", facts={}
)
assert log.append(kept)
assert log.flush()
log.close()
assert not {"kedro", "mlflow"} & set(sys.modules)
assert ("torch" in sys.modules) == ("said" in prediction.labels)
"""


def closure(names):
    """Give the distributions that installing `names` brings, as far as they are installed here."""
    found = set()
    waiting = [name.partition("[")[0] for name in names]
    while waiting:
        name = name_of(waiting.pop())
        if name in found:
            continue
        try:
            needed = [Requirement(line) for line in requires(name) or []]
        except PackageNotFoundError:
            continue
        found.add(name)
        waiting += [part.name for part in needed if part.marker is None or part.marker.evaluate({"extra": ""})]
    return found


def names_in(lock):
    return {name_of(line.partition("==")[0].partition("[")[0]) for line in lock.splitlines() if "==" in line}


@pytest.fixture(scope="module")
def lock():
    return (ROOT / LOCK).read_text()


def test_the_lock_has_the_versions_of_the_constraints(lock):
    lines = [line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines()]
    pinned = {name_of(name): version for name, _, version in lines if version}
    versions = re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*?\])?==(\S+)", lock, flags=re.MULTILINE)
    assert len(versions) > 90
    assert {name: pinned.get(name_of(name)) for name, _ in versions} == dict(versions), "make image-lock"
    assert UNUSED_WEIGHTS in (ROOT / "weights.txt").read_text()


def test_what_is_installed_has_hashes_and_all_that_it_needs_in_turn(lock):
    text = locked(lock, OPTIONAL)
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in re.split(r"\n(?=[a-z])", text))
    absent = closure([*REQUIREMENTS, *OPTIONAL]) - names_in(text)
    assert absent == set(), "make image-lock"
    assert "transformers" not in names_in(locked(lock))
    with pytest.raises(ValueError, match="lacks kedro"):
        locked(lock, ["kedro"])


def test_only_code_that_answers_is_packed():
    graph = grimp.build_graph("cu_pipeline")
    reached = graph.find_upstream_modules("cu_pipeline.service.app")
    config = yaml.safe_load((ROOT / "bentofile.yaml").read_text())
    left_out = GitIgnoreSpec.from_lines(config["exclude"])
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "src/cu_pipeline").rglob("*.py")}
    packed = {file for file in files if not left_out.match_file(file)}

    def top(names):
        return {name.split(".")[1] for name in names if "." in name}

    modules = {file.removeprefix("src/").removesuffix(".py").replace("/", ".") for file in packed}
    assert top(modules) - {"__init__"} == top(reached)


def installed(folder, names):
    """Give a folder like site-packages that holds these distributions only."""
    folder.mkdir()
    for name in sorted(names):
        for file in files(name) or []:
            target = folder / file.parts[0]
            if file.parts[0] not in {"..", "__pycache__"} and not target.exists():
                target.symlink_to(file.locate().parents[len(file.parts) - 2] if len(file.parts) > 1 else file.locate())
    return folder


@pytest.fixture(scope="module")
def bundles(make_bundle, tiny_checkpoints, tmp_path_factory):
    """One saved bundle of each family, of both kinds."""
    folder = tmp_path_factory.mktemp("bundles")
    topic = make_bundle()
    topic.save(folder / "topic")
    random = np.random.default_rng(0)
    features = {name: random.normal(size=(20, *one.shape)).astype(np.float32) for name, one in topic.inputs.items()}
    present = np.ones(20, dtype=bool)
    known = ClipFeatures({name: Feature(values, present) for name, values in features.items()}, 20)
    clips = Examples(known, random.integers(0, 2, (20, 2)).astype(np.float32))
    fitted = Linear().fit(clips, clips.take([]), Kind.MULTI, LinearOptions(), seed=0)
    safety = replace(topic, capability="safety", kind=Kind.MULTI, classes=("advert", "violence"), family="linear")
    replace(safety, model=fitted.config, weights=fitted.weights).save(folder / "safety")
    usual = Majority().fit(clips, clips.take([]), Kind.MULTI, MajorityOptions(), seed=0)
    mood = replace(safety, capability="mood", family="majority", model=usual.config, weights=usual.weights)
    mood.save(folder / "mood")
    pooled = Ensemble().fit(
        clips, clips.take([]), Kind.MULTI, EnsembleOptions(members={"linear": {}, "majority": {}}), 0
    )
    many = replace(safety, capability="many", family="ensemble", model=pooled.config, weights=pooled.weights)
    many.save(folder / "many")
    named(tiny_checkpoints["siglip"], topic).save(folder / "colour")
    says(tmp_path_factory.mktemp("text"), topic).save(folder / "said")
    shows(tmp_path_factory.mktemp("video"), topic).save(folder / "shown")
    assert {"majority", "fusion", "linear", "ensemble", "zero_shot", "text", "video"} == set(FAMILIES), (
        "let a bundle of each family answer here"
    )
    return folder


def named(checkpoint, like):
    """Give a bundle that tells classes by their names."""
    encoder = ImageText({"name": str(checkpoint)}, count=1, device="cpu")
    read = {"image_text": FeatureInput.of(encoder)}
    frames = np.random.default_rng(0).normal(size=(4, *encoder.identity.shape)).astype(np.float32)
    known = ClipFeatures({"image_text": Feature(frames, np.ones(4, dtype=bool))}, 4)
    clips = Examples(known, np.eye(2, dtype=np.float32)[[0, 1, 0, 1]], classes=("red", "blue"), inputs=read)
    fitted = ZeroShot().fit(clips, clips.take([]), Kind.SINGLE, ZeroShotOptions(), seed=0)
    parts = {"family": "zero_shot", "model": fitted.config, "weights": fitted.weights, "inputs": read}
    return replace(like, capability="colour", classes=clips.classes, **parts)


def says(checkpoint, like):
    """Give a bundle of a fine-tuned text classifier."""
    tiny_text(checkpoint)
    values = np.array(["yes", "no", "yes", "no"], dtype=object)
    known = ClipFeatures({"caption_text": Feature(values, np.ones(4, dtype=bool))}, 4)
    return fine_tuned(Text(), TextOptions, checkpoint, known, CaptionText(), replace(like, capability="said"))


def shows(checkpoint, like):
    """Give a bundle of a fine-tuned video classifier."""
    tiny_video(checkpoint)
    keeper = PixelKeeper(count=4, size=32)
    jpeg = keeper.prepare([np.zeros((32, 32, 3), dtype=np.uint8)] * 4)
    pictures = Pictures([jpeg] * 4, keeper.identity.shape)
    known = ClipFeatures({"pixels": Feature(pictures, pictures.present)}, 4)
    return fine_tuned(Video(), VideoOptions, checkpoint, known, keeper, replace(like, capability="shown"))


def fine_tuned(learner, options, checkpoint, known, extractor, like):
    clips = Examples(known, np.eye(2, dtype=np.float32)[[0, 1, 0, 1]])
    chosen = options.model_validate({"checkpoint": {"name": str(checkpoint)}, "epochs": 1, "device": "cpu"})
    fitted = learner.fit(clips, clips.take([]), Kind.SINGLE, chosen, seed=0)
    inputs = {extractor.identity.name: FeatureInput.of(extractor)}
    parts = {"family": like.capability.replace("said", "text").replace("shown", "video"), "inputs": inputs}
    return replace(like, classes=("a", "b"), model=fitted.config, weights=fitted.weights, **parts)


def answered(bundles, packages, scratch):
    """Answer by bundles with nothing installed but the packages named and the weights; gives the capabilities."""
    weights = {
        name_of(line.partition("==")[0]) for line in (ROOT / "weights.txt").read_text().splitlines() if "==" in line
    }
    site = installed(scratch / "site", packages | weights - {UNUSED_WEIGHTS})
    assert not (site / "kedro").exists()
    variables = {"PYTHONPATH": f"{site}:{ROOT / 'src'}", "PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-S", "-c", SCRIPT, str(bundles), str(scratch)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.slow
@pytest.mark.nightly
def test_what_the_image_installs_is_enough_to_answer_with_models_of_each_family(bundles, lock, tmp_path):
    needed = needed_packages(bundles)
    assert needed == {"torch", "transformers"}
    packages = names_in(locked(lock, needed - {"torch"})) | closure(["torch"])
    capabilities = ["colour", "many", "mood", "safety", "said", "shown", "topic"]
    assert answered(bundles, packages, tmp_path) == capabilities


@pytest.mark.slow
def test_models_of_families_without_a_pretrained_network_answer_without_torch(bundles, lock, tmp_path):
    usual = tmp_path / "usual"
    words = Bundle.load(bundles / "safety")
    random = np.random.default_rng(0)
    texts = np.array([f"goal {number}" if number % 2 else f"steak {number}" for number in range(20)], dtype=object)
    known = ClipFeatures({"caption_text": Feature(texts, np.ones(20, dtype=bool))}, 20)
    clips = Examples(known, np.eye(2, dtype=np.float32)[random.integers(0, 2, 20)])
    fitted = Linear().fit(clips, clips.take([]), Kind.MULTI, LinearOptions(), seed=0)
    inputs = {"caption_text": FeatureInput.of(CaptionText())}
    replace(words, capability="words", model=fitted.config, weights=fitted.weights, inputs=inputs).save(usual / "words")
    words.save(usual / "safety")
    fused = Bundle.load(bundles / "topic")
    assert fused.family == "fusion"
    fused.save(usual / "topic")
    assert needed_packages(usual) == set()
    packages = names_in(locked(lock))
    assert not {"torch", "transformers"} & packages
    assert answered(usual, packages, tmp_path) == ["safety", "topic", "words"]


@pytest.mark.filterwarnings("ignore:path is deprecated:DeprecationWarning")  # BentoML's
def test_the_container_is_made_of_the_lock_and_keeps_no_tools(bundles, lock, tmp_path):
    (tmp_path / "src" / PACKED).mkdir(parents=True)
    (tmp_path / "src" / LOCK).write_text(lock)
    (tmp_path / "src" / PACKED / "safety").symlink_to(bundles / "safety")
    service_image().freeze(tmp_path, [])
    dockerfile = (tmp_path / "env/docker/Dockerfile").read_text()
    assert (tmp_path / "env/python/requirements.txt").read_text() == locked(lock)
    assert not re.search(r"build-essential|gcc|\bgit\b|torch", dockerfile)
    steps = [line for line in dockerfile.splitlines() if line.startswith(("RUN", "USER", "HEALTHCHECK", "ENTRYPOINT"))]
    weights, removed = (
        next(n for n, step in enumerate(steps) if part in step) for part in ("weights.txt", "pip uninstall --yes uv")
    )
    assert weights < removed
    assert dockerfile.index("pip install -r $BENTO_PATH/env/python/requirements.txt") < dockerfile.index(steps[weights])
    assert [step.split()[0] for step in steps[-3:]] == ["USER", "ENTRYPOINT", "HEALTHCHECK"]
    (tmp_path / "src" / PACKED / "said").symlink_to(bundles / "said")
    service_image().freeze(tmp_path, [])
    assert "--torch-backend cpu" in (tmp_path / "env/docker/Dockerfile").read_text()
    assert "transformers" in names_in((tmp_path / "env/python/requirements.txt").read_text())


@pytest.mark.skipif("CU_PIPELINE_IMAGE" not in os.environ, reason="takes minutes: `make test-image`")
def test_the_last_bento_serves_from_its_lock_alone(tmp_path):
    store = ROOT / "data/06_models/bentoml/bentos/cu_pipeline"
    if not (store / "latest").exists():
        pytest.skip("there is no Bento yet: `make run`")
    bento = store / (store / "latest").read_text().strip()
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    variables = os.environ | {"VIRTUAL_ENV": str(venv), "UV_REQUIRE_HASHES": "1"}
    install = ["uv", "pip", "install", "--quiet", "-r", str(bento / "env/python/requirements.txt")]
    subprocess.run(install, env=variables, check=True)
    weights = f"cd {bento} && {INSTALL_WEIGHTS.replace('/tmp/', f'{tmp_path}/')}"
    subprocess.run(["sh", "-c", weights], env=variables, check=True)
    clean = {"PATH": f"{venv}/bin:/usr/bin:/bin", "HOME": str(tmp_path), "BENTOML_HOME": str(tmp_path / "bentoml")}
    clean |= {"BENTOML_DO_NOT_TRACK": "True", "CU_PIPELINE_PREDICTION_LOG": str(tmp_path / "log")}
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
    command = [str(venv / "bin/bentoml"), "serve", str(bento), "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, env=clean, cwd=tmp_path)
    try:
        clip = write_grey_clip(tmp_path / "clip.mp4").read_bytes()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            wait_until(lambda: client.get("/readyz").is_success)
            parts = {"caption": (None, "what a goal"), "video": ("clip.mp4", clip)}
            answer = client.post("/classify", files=parts)
        assert answer.status_code == 200, answer.text
        assert answer.json()["capabilities"]
    finally:
        server.terminate()
        server.wait(30)


def wait_until(ready, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if ready():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise TimeoutError("the service did not become ready")
