from pathlib import Path

import pytest

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.service.security.settings import SecuritySettings


def test_without_variables_keys_lie_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    settings = SecuritySettings.from_environment({})
    assert settings == SecuritySettings(keys=tmp_path / "data/06_models/service_keys.json")


def test_lists_are_split_and_written_as_browsers_do() -> None:
    given = {"CU_PIPELINE_HOSTS": "API.example.org, [::1]", "CU_PIPELINE_ORIGINS": "https://Tools.example.org:8443,"}
    settings = SecuritySettings.from_environment(given)
    assert settings.hosts == ("api.example.org", "::1")
    assert settings.origins == ("https://tools.example.org:8443",)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    given = {
        "CU_PIPELINE_OPEN": "yes",
        "CU_PIPELINE_HOSTS": "example.org:80",
        "CU_PIPELINE_ORIGINS": "*,https://a.example/path",
        "CU_PIPELINE_RATE": "many",
        "CU_PIPELINE_KEYS": str(tmp_path / "none.json"),
    }
    with pytest.raises(ConfigurationError) as told:
        SecuritySettings.from_environment(given)
    assert len(told.value.problems) == 6
    for word in ("'yes'", "'example.org:80'", "'*'", "'https://a.example/path'", "'many'", "none.json"):
        assert word in str(told.value)


def test_who_opens_the_service_on_purpose_needs_no_file(tmp_path: Path) -> None:
    given = {"CU_PIPELINE_OPEN": "1", "CU_PIPELINE_KEYS": str(tmp_path / "none.json")}
    assert SecuritySettings.from_environment(given).without_keys
