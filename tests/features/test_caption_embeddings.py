import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.features.caption_embeddings import CaptionEmbeddings

TEXTS = ["short", "a caption that is longer", "", "一只猫", "very " * 40]


@pytest.fixture
def folder(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoints["bert"], tmp_path / "sentences"))


def encoder(folder: Path, **parameters) -> CaptionEmbeddings:
    return CaptionEmbeddings({"name": str(folder)}, device="cpu", **parameters)


def pooling(folder: Path, **told) -> None:
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 16} | told))


def states(folder: Path, text: str, longest: int = 64) -> np.ndarray:
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(text, truncation=True, max_length=longest, return_tensors="pt")
    with torch.inference_mode():
        return AutoModel.from_pretrained(folder)(**tokens).last_hidden_state[0].numpy()


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize(
    ("told", "pool"),
    [
        (None, lambda states: states.mean(0)),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, lambda states: states.mean(0)),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, lambda states: states[0]),
        ({"pooling_mode": "cls"}, lambda states: states[0]),
        ({"pooling_mode": ["mean"]}, lambda states: states.mean(0)),
    ],
)
def test_captions_are_pooled_as_the_folder_says_whatever_their_neighbours(folder: Path, told, pool) -> None:
    if told is not None:
        pooling(folder, **told)
    found = encoder(folder, batch=2).encode(TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [unit(pool(states(folder, text))) for text in TEXTS], atol=1e-5)
    assert encoder(folder).encode([]).shape == (0, 16)


def test_captions_are_cut_and_get_their_prefix(folder: Path) -> None:
    mine = encoder(folder, max_tokens=10, prefix="query: ")
    (found,) = mine.encode([mine.prepare("something long")])
    np.testing.assert_allclose(found, unit(states(folder, "query: something long", 10).mean(0)), atol=1e-5)


def test_the_identity_covers_what_decides_values_and_no_more(folder: Path) -> None:
    first = encoder(folder).identity
    assert first.shape == (16,)
    assert encoder(folder, batch=1).identity == first
    others = [encoder(folder, prefix="query: "), encoder(folder, max_tokens=9), encoder(folder, precision="float16")]
    assert len({first.fingerprint, *(one.identity.fingerprint for one in others)}) == 4
    pooling(folder, pooling_mode_cls_token=True)
    assert encoder(folder).identity.fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("told", "modules", "words"),
    [
        ({"pooling_mode_max_tokens": True}, None, "max_tokens"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, None, "mean_tokens, max_tokens"),
        ({}, ["models.Transformer", "models.Pooling", "sentence_transformers.models.Dense"], r"mean, .*\.Dense"),
    ],
)
def test_a_pooling_that_is_not_done_here_is_told(folder: Path, told, modules, words) -> None:
    pooling(folder, **told)
    (folder / "modules.json").write_text(json.dumps([{"type": one} for one in modules or []]))
    with pytest.raises(ConfigurationError, match=f"pools token states by {words}; allowed: the mean"):
        encoder(folder).identity  # noqa: B018


def test_a_folder_without_a_tokenizer_is_told(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ConfigurationError, match=r"cannot be loaded .*it has none of tokenizer.json"):
        encoder(folder).encode(["a"])


def test_other_processes_get_no_network(folder: Path) -> None:
    mine = encoder(folder)
    mine.encode(["loads it"])
    assert len(pickle.dumps(mine)) < 1000
    assert pickle.loads(pickle.dumps(mine)).identity == mine.identity
