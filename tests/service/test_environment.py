from pathlib import Path

import pytest

from cu_pipeline.core.errors import BundleError, ConfigurationError
from cu_pipeline.media.options import Limits
from cu_pipeline.service.environment import Settings, find_bundles, max_body_bytes


@pytest.fixture(autouse=True)
def _empty_project(monkeypatch, tmp_path):
    package = tmp_path / "installed" / "cu_pipeline" / "__init__.py"
    monkeypatch.setattr("cu_pipeline.__file__", str(package))
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path / "project"))
    for name in ("CU_PIPELINE_BUNDLES", "CU_PIPELINE_PREDICTION_LOG", "CU_PIPELINE_MAX_BODY_BYTES"):
        monkeypatch.delenv(name, raising=False)


def bundle(folder: Path) -> Path:
    (folder / "topic").mkdir(parents=True)
    (folder / "topic" / "bundle.json").write_text("{}")
    return folder


def test_without_models_the_error_says_what_to_run():
    with pytest.raises(BundleError, match="make run"):
        find_bundles()


def test_the_environment_names_the_bundles_and_nothing_else_is_tried(monkeypatch, tmp_path):
    bundle(tmp_path / "project/data/06_models/champions")
    monkeypatch.setenv("CU_PIPELINE_BUNDLES", str(tmp_path / "named"))
    with pytest.raises(BundleError, match="named"):
        find_bundles()
    assert bundle(tmp_path / "named") == find_bundles()


def test_packed_bundles_come_before_the_projects(tmp_path):
    project = bundle(tmp_path / "project/data/06_models/champions")
    assert find_bundles() == project
    packed = bundle(tmp_path / "installed/data/06_models/champions")
    assert find_bundles() == packed


def test_the_log_is_in_the_project_unless_named(monkeypatch, tmp_path):
    bundle(tmp_path / "project/data/06_models/champions")
    assert Settings.from_environment().log == tmp_path / "project/data/07_model_output/prediction_log"
    monkeypatch.setenv("CU_PIPELINE_PREDICTION_LOG", "/elsewhere")
    assert Settings.from_environment().log == Path("/elsewhere")


def test_the_largest_clip_fits_into_the_largest_body(monkeypatch):
    assert max_body_bytes() > Limits().max_bytes
    monkeypatch.setenv("CU_PIPELINE_MAX_BODY_BYTES", "5")
    assert max_body_bytes() == 5


@pytest.mark.parametrize("value", ["0", "-3", "1e6", "ten"])
def test_a_senseless_limit_is_an_error(monkeypatch, value):
    monkeypatch.setenv("CU_PIPELINE_MAX_BODY_BYTES", value)
    with pytest.raises(ConfigurationError, match=value):
        max_body_bytes()
