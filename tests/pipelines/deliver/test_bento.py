from pathlib import Path

import pytest
import yaml

from cu_pipeline.core.errors import DeliveryError
from cu_pipeline.pipelines.deliver import bento
from cu_pipeline.pipelines.deliver.bento import Bento, build, environment, packed_files

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def project(tmp_path):
    files = {
        "bentofile.yaml": "name: small\ninclude: [src/small/**, models/**, /weights.txt]\nexclude: [__pycache__/]\n",
        "src/small/app.py": "x = 1",
        "src/small/deep/er.py": "x = 2",
        "src/small/__pycache__/app.pyc": "bytes",
        "models/topic/bundle.json": "{}",
        "weights.txt": "w",
        "data/large.bin": "not packed",
        ".venv/lib.py": "not packed",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_only_what_the_bentofile_names_is_packed(project):
    assert packed_files(project) == [
        "bentofile.yaml",
        "models/topic/bundle.json",
        "src/small/app.py",
        "src/small/deep/er.py",
        "weights.txt",
    ]


def test_a_pattern_without_files_is_an_error(project):
    (project / "weights.txt").unlink()
    with pytest.raises(DeliveryError, match=r"weights\.txt"):
        packed_files(project)


def test_a_folder_without_bentofile_is_an_error(tmp_path):
    with pytest.raises(DeliveryError, match=r"bentofile\.yaml"):
        packed_files(tmp_path)


def test_the_version_follows_the_packed_content_and_nothing_is_built_twice(project, monkeypatch):
    builds = []

    def build_(made, root, files):
        builds.append(made.version)
        made.folder.mkdir(parents=True)
        (made.folder / "bento.yaml").write_text("")

    monkeypatch.setattr(bento, "_build", build_)
    first = build(project, project / "store")
    (project / "data/large.bin").write_text("changed")
    assert build(project, project / "store") == first
    assert builds == [first.version]
    (project / "models/topic/bundle.json").write_text('{"other": 1}')
    second = build(project, project / "store")
    (project / "src/small/app.py").write_text("x = 3")
    third = build(project, project / "store")
    assert len({first.version, second.version, third.version}) == len(builds) == 3


def test_a_failing_build_says_what_bentoml_said(project):
    with pytest.raises(DeliveryError, match=r"(?s)did not build small.*No service found|service"):
        build(project, project / "store")


def test_commands_run_with_telemetry_off_and_in_this_store(tmp_path):
    variables = environment(Bento("small", "v1", tmp_path))
    assert variables["BENTOML_HOME"] == str(tmp_path)
    assert variables["BENTOML_DO_NOT_TRACK"] == "True"
    assert variables["HF_HUB_OFFLINE"] == "1"


def test_the_projects_bentofile_packs_the_code_and_the_champions_only():
    config = yaml.safe_load((ROOT / "bentofile.yaml").read_text())
    assert config["include"] == [
        "src/cu_pipeline/**",
        "data/06_models/packed_champions/**",
        "data/06_models/samples/**",
        "data/06_models/quality.json",
        "/constraints.txt",
        "/image.lock",
        "/weights.txt",
    ]
