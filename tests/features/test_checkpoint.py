import json
import os
from pathlib import Path

import pytest
import torch

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.features import checkpoint
from cu_pipeline.features.checkpoint import Checkpoint, device_of, dtype_of, locate, pinned


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "model")


def written(folder: Path, weights: bytes = b"weights") -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "clip"}))
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def test_the_hash_is_that_of_what_decides_outputs(folder: Path, tmp_path: Path) -> None:
    before = locate(Checkpoint(name=str(folder))).sha256
    assert locate(Checkpoint(name=str(written(tmp_path / "moved")))).sha256 == before
    (folder / "README.md").write_text("about it")
    (folder / "optimizer.pt").write_bytes(b"state")
    assert locate(Checkpoint(name=str(folder))).sha256 == before
    (folder / "tokenizer.json").write_text("{}")
    with_tokenizer = locate(Checkpoint(name=str(folder))).sha256
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text("{}")
    assert len({before, with_tokenizer, locate(Checkpoint(name=str(folder))).sha256}) == 3


def test_weights_that_change_in_place_are_read_anew(folder: Path) -> None:
    before = locate(Checkpoint(name=str(folder))).sha256
    weights = folder / "model.safetensors"
    weights.write_bytes(b"WEIGHTS")
    os.utime(weights, (1, 1))
    assert locate(Checkpoint(name=str(folder))).sha256 != before


def test_a_relative_folder_starts_at_the_project(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    assert locate(Checkpoint(name="model")).folder == folder


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json that cannot be read"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json that is no JSON object"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"has no \*.safetensors\. Allowed"),
        (
            lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
            "only pickled weights, which can run code",
        ),
    ],
)
def test_a_folder_that_is_no_checkpoint_is_told(folder: Path, spoil, message: str) -> None:
    spoil(folder)
    with pytest.raises(ConfigurationError, match=message):
        locate(Checkpoint(name=str(folder)))


def test_what_is_neither_folder_nor_repository_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'/no/such/folder': there is no such folder. Allowed: a folder"):
        locate(Checkpoint(name="/no/such/folder"))


def test_a_repository_that_is_not_at_hand_is_told(hub: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'owner/model' at revision 'main' is no folder.*HF_HUB_OFFLINE=0"):
        locate(Checkpoint(name="owner/model"))


def test_a_repository_of_the_cache_is_found_without_the_hub(hub: Path) -> None:
    commit = "0123456789" * 4
    cached = written(hub / "models--owner--model" / "snapshots" / commit)
    (hub / "models--owner--model" / "refs").mkdir()
    (hub / "models--owner--model" / "refs" / "main").write_text(commit)
    main = Checkpoint(name="owner/model")
    assert locate(main).folder == cached
    assert pinned(main) == Checkpoint(name="owner/model", revision=commit)
    assert locate(pinned(main)) == locate(main)


def test_a_folder_needs_no_commit(folder: Path) -> None:
    assert pinned(Checkpoint(name=str(folder))) == Checkpoint(name=str(folder))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub, which cannot be reached."""
    checkpoint._downloaded.cache_clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


@pytest.mark.parametrize("wanted", ["cuda", "cuda:1", "tpu", "cuda:x"])
def test_a_device_that_is_not_there_is_told(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigurationError, match=rf"device '{wanted}' is not there: torch .* finds no GPUs. Allowed"):
        device_of(wanted)


def test_a_gpu_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert [device_of(one) for one in ("auto", "cuda", "cuda:0", "cpu")] == ["cuda", "cuda", "cuda:0", "cpu"]
    with pytest.raises(ConfigurationError, match="finds 1 GPU\\."):
        device_of("cuda:1")


@pytest.mark.parametrize(("generation", "expected"), [((8, 0), torch.bfloat16), ((7, 5), torch.float32)])
def test_gpus_that_have_bfloat16_use_it(
    generation: tuple[int, int], expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: generation)
    assert dtype_of("auto", "cuda") is expected
    assert dtype_of("auto", "cpu") is torch.float32
    assert dtype_of("float16", "cpu") is torch.float16


def test_an_unknown_precision_is_told() -> None:
    with pytest.raises(ConfigurationError, match="precision 'int4' is unknown; allowed: auto, float32"):
        dtype_of("int4", "cpu")
