from pathlib import Path

import pytest

from cu_pipeline.core.errors import BundleError, ConfigurationError
from cu_pipeline.media.options import Limits
from cu_pipeline.service.environment import Settings


@pytest.fixture
def project(monkeypatch, tmp_path):
    monkeypatch.setattr("cu_pipeline.__file__", str(tmp_path / "installed" / "cu_pipeline" / "__init__.py"))
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path / "project"))
    return tmp_path / "project"


def bundle(folder: Path) -> Path:
    (folder / "topic").mkdir(parents=True)
    for name in ("bundle.json", "model.safetensors"):
        (folder / "topic" / name).write_text("{}")
    return folder


def test_without_models_the_error_says_what_to_run(project):
    with pytest.raises(BundleError, match="make run"):
        Settings.from_environment({}).bundles_folder()


def test_the_environment_names_the_bundles_and_nothing_else_is_tried(project, tmp_path):
    bundle(project / "data/06_models/champions")
    settings = Settings.from_environment({"CU_PIPELINE_BUNDLES": str(tmp_path / "named")})
    with pytest.raises(BundleError, match="named"):
        settings.bundles_folder()
    assert bundle(tmp_path / "named") == settings.bundles_folder()


def test_packed_bundles_come_before_the_projects(project, tmp_path):
    own = bundle(project / "data/06_models/champions")
    assert Settings.from_environment({}).bundles_folder() == own
    packed = bundle(tmp_path / "installed/data/06_models/packed_champions")
    assert Settings.from_environment({}).bundles_folder() == packed


def test_half_a_bundle_is_no_capability_to_leave_out(project):
    folder = bundle(project / "data/06_models/champions")
    bundle(folder / "x").joinpath("topic").rename(folder / "safety")
    (folder / "safety/bundle.json").unlink()
    with pytest.raises(BundleError, match="safety has no bundle"):
        Settings.from_environment({}).bundles_folder()


def test_the_log_is_in_the_project_unless_named(project):
    assert Settings.from_environment({}).log_place == str(project / "data/07_model_output/prediction_log")
    named = {"CU_PIPELINE_PREDICTION_LOG": "postgresql+psycopg://me@host/db"}
    assert Settings.from_environment(named).log_place == named["CU_PIPELINE_PREDICTION_LOG"]


def test_the_largest_clip_fits_into_the_largest_form():
    assert Settings.from_environment({}).max_body_bytes > Limits().max_bytes


def test_all_bad_settings_are_told_at_once_with_their_names():
    bad = {
        "CU_PIPELINE_WORKERS": "many",
        "CU_PIPELINE_DRAIN_S": "-1",
        "CU_PIPELINE_UPLOAD_IDLE_S": "inf",
        "CU_PIPELINE_MAX_BODY_BYTES": "1e6",
        "CU_PIPELINE_LOG_SAMPLE": "7",
        "CU_PIPELINE_ENGINE_TEXT_BATCH": "0",
        "CU_PIPELINE_RATE": "fast",
    }
    with pytest.raises(ConfigurationError) as raised:
        Settings.from_environment(bad)
    assert len(raised.value.problems) == len(bad)
    assert all(any(name in problem for problem in raised.value.problems) for name in bad)


def test_an_empty_variable_is_not_set():
    assert Settings.from_environment({"CU_PIPELINE_WORKERS": " "}).workers == 1
