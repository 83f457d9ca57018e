"""Whether the container that is described holds all that the service imports."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, files, requires
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from tests.models.tiny_networks import tiny_text, tiny_video

from cu_pipeline.core.capability import Kind
from cu_pipeline.features.caption_text import CaptionText
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.features.image_text import ImageText
from cu_pipeline.features.pictures import Pictures
from cu_pipeline.features.pixels import PixelKeeper
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.models.ensemble import Ensemble, EnsembleOptions
from cu_pipeline.models.families import FAMILIES
from cu_pipeline.models.family import Examples
from cu_pipeline.models.linear import Linear, LinearOptions
from cu_pipeline.models.majority import Majority, MajorityOptions
from cu_pipeline.models.text_family import Text, TextOptions
from cu_pipeline.models.video_family import Video, VideoOptions
from cu_pipeline.models.zero_shot import ZeroShot, ZeroShotOptions
from cu_pipeline.service.image import REQUIREMENTS, UNUSED_WEIGHTS

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import sys
from pathlib import Path

import cu_pipeline.service.app
from cu_pipeline.inference.prediction_log import PredictionLog
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.service.engine.warm_up import write_grey_clip

bundles, scratch = map(Path, sys.argv[1:])
predictor = Predictor.load(bundles, workers=1)
prediction = predictor.predict(write_grey_clip(scratch / "clip.mp4"), "a caption")
predictor.close()
assert sorted(prediction.labels) == ["colour", "many", "mood", "safety", "said", "shown", "topic"]
assert prediction.facts["width"] == 64
log = PredictionLog.open(str(scratch / "log"))
assert log.append(record("r1", prediction))
assert log.flush()
log.close()
assert not {"kedro", "sklearn", "mlflow"} & set(sys.modules)
"""


def name_of(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", requirement).lower()


def closure(names):
    """Give the distributions that installing `names` brings."""
    found = set()
    waiting = list(names)
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


def test_every_requirement_has_an_exact_version():
    pinned = {
        name_of(line.partition("==")[0]) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    }
    assert {name_of(name) for name in REQUIREMENTS} <= pinned
    assert UNUSED_WEIGHTS in (ROOT / "weights.txt").read_text()


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


@pytest.mark.slow
def test_what_the_image_installs_is_enough_to_answer_with_models_of_each_family(bundles, tmp_path):
    weights = {
        name_of(line.partition("==")[0]) for line in (ROOT / "weights.txt").read_text().splitlines() if "==" in line
    }
    site = installed(tmp_path / "site", closure(REQUIREMENTS) | weights - {UNUSED_WEIGHTS})
    assert not (site / "kedro").exists()
    variables = {"PYTHONPATH": f"{site}:{ROOT / 'src'}", "PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-S", "-c", SCRIPT, str(bundles), str(tmp_path)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
