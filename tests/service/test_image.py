"""Whether the container that is described holds all that the service imports."""

import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, files, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from cu_pipeline.service.image import REQUIREMENTS, UNUSED_WEIGHTS

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import sys
from pathlib import Path

import cu_pipeline.service.app
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.models.scorer import Scorer
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.fusion_network import FusionHead
from cu_pipeline.service.warmup import _write_clip

extractors = build_all(FeatureOptions())
extractors["captions"].encode([extractors["captions"].prepare("a caption")])
clip = _write_clip(Path(sys.argv[1]) / "clip.mp4")
from cu_pipeline.features.extract import prepare_media

prepared = prepare_media(str(clip), {"frames": extractors["frames"]})
extractors["frames"].encode([prepared["frames"]])

from cu_pipeline.media.options import Limits
from cu_pipeline.media.probe import probe

probe(clip, Limits())
assert "kedro" not in sys.modules
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


@pytest.mark.slow
def test_what_the_image_installs_is_enough_for_the_service(tmp_path):
    weights = {
        name_of(line.partition("==")[0]) for line in (ROOT / "weights.txt").read_text().splitlines() if "==" in line
    }
    site = installed(tmp_path / "site", closure(REQUIREMENTS) | weights - {UNUSED_WEIGHTS})
    assert not (site / "kedro").exists()
    variables = {"PYTHONPATH": f"{site}:{ROOT / 'src'}", "PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-S", "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
