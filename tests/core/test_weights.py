from pathlib import Path

import pytest

from cu_pipeline.core import weights
from cu_pipeline.core.errors import MissingWeightsError
from cu_pipeline.core.hashing import file_sha256
from cu_pipeline.core.weights import MODELS, PackagedModel, weights_path


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an importable package with a weights file, registered as `fake`."""
    file = tmp_path / "fake_weights" / "model.bin"
    file.parent.mkdir()
    (file.parent / "__init__.py").write_text("raise RuntimeError('a package of weights is never imported')")
    file.write_bytes(b"weights")
    model = PackagedModel("fake_weights", "fake-weights==1", "model.bin", file_sha256(file), "MIT")
    monkeypatch.setitem(MODELS, "fake", model)
    monkeypatch.syspath_prepend(tmp_path)
    weights_path.cache_clear()
    return file


@pytest.mark.parametrize("name", MODELS)
def test_every_packaged_model_is_installed_and_whole(name: str) -> None:
    assert weights_path(name).is_file()


def test_the_file_is_found_without_importing_its_package(packaged: Path) -> None:
    assert weights_path("fake") == packaged


def test_damaged_weights_are_refused_with_the_remedy(packaged: Path) -> None:
    packaged.write_bytes(b"weights!")
    with pytest.raises(MissingWeightsError, match=r"has SHA-256 .*make install"):
        weights_path("fake")


def test_an_absent_file_is_named(packaged: Path) -> None:
    packaged.unlink()
    with pytest.raises(MissingWeightsError, match=r"model\.bin is absent.*make install"):
        weights_path("fake")


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "gone", PackagedModel("no_such_package", "no-such-package==9", "x", "", "MIT"))
    with pytest.raises(MissingWeightsError, match=r"no-such-package==9.*make install"):
        weights_path("gone")


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(MissingWeightsError, match="packaged models: efficientnet-lite0"):
        weights.weights_path("vgg")


def test_licences_allow_use_in_a_product() -> None:
    assert {model.licence for model in MODELS.values()} <= {"Apache-2.0", "MIT", "BSD-3-Clause"}
