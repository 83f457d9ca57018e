import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cu_pipeline.core.errors import BundleError, ConfigurationError
from cu_pipeline.features.clip_processor import ClipProcessor
from cu_pipeline.features.encoding import prepare_media
from cu_pipeline.features.image_text import ImageText
from cu_pipeline.features.table import FeatureInput, FeatureOptions


def encoder(folder: Path, **parameters) -> ImageText:
    return ImageText({"name": str(folder)}, **{"count": 2, "device": "cpu"} | parameters)


def pictures(count: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (count, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(params=["clip", "siglip"])
def folder(request: pytest.FixtureRequest, tiny_checkpoints: dict[str, Path]) -> Path:
    return tiny_checkpoints[request.param]


@pytest.fixture
def own_folder(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> Path:
    """A checkpoint that a test may spoil."""
    return Path(shutil.copytree(tiny_checkpoints["clip"], tmp_path / "own"))


@pytest.mark.parametrize("sides", [(50, 70), (71, 50), (20, 91), (32, 32), (33, 31)])
def test_pictures_are_those_of_transformers(folder: Path, sides: tuple[int, int]) -> None:
    from transformers import CLIPImageProcessorPil, SiglipImageProcessorPil

    processor = {"clip": CLIPImageProcessorPil, "siglip": SiglipImageProcessorPil}[folder.name]
    picture = np.random.default_rng(0).integers(0, 255, (*sides, 3), dtype=np.uint8)
    recipe = ClipProcessor.of_pictures(folder, folder.name)
    ours = recipe.normalised(torch.from_numpy(recipe.apply(picture).copy()).permute(2, 0, 1))
    theirs = processor.from_pretrained(folder)(images=picture, return_tensors="np")["pixel_values"][0]
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("model_type", "given", "sides"),
    [
        ("clip", {"size": 40, "crop_size": 36}, (36, 36)),
        ("siglip", {"size": 36}, (36, 36)),
        ("clip", {}, (224, 224)),
        ("siglip", {}, (224, 224)),
        ("clip", {"do_resize": False, "crop_size": {"height": 30, "width": 36}}, (30, 36)),
    ],
)
def test_recipes_of_other_forms(tmp_path: Path, model_type: str, given: dict, sides: tuple[int, int]) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(given))
    recipe = ClipProcessor.of_pictures(tmp_path, model_type)
    assert recipe.apply(np.zeros((50, 80, 3), np.uint8)).shape == (*recipe.crop, 3) == (*sides, 3)


@pytest.mark.parametrize("sides", [(33, 31), (50, 35), (36, 20), (60, 61)])
def test_small_pictures_get_a_black_rim_as_by_transformers(tmp_path: Path, sides: tuple[int, int]) -> None:
    from transformers import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil(do_resize=False, do_rescale=False, do_normalize=False)
    processor.crop_size = {"height": 37, "width": 36}
    processor.save_pretrained(tmp_path)
    picture = np.random.default_rng(0).integers(0, 255, (*sides, 3), dtype=np.uint8)
    theirs = processor(images=picture, return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)
    np.testing.assert_array_equal(ClipProcessor.of_pictures(tmp_path, "clip").apply(picture), theirs)


def test_a_recipe_inside_a_processor_is_found(tmp_path: Path) -> None:
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": {"crop_size": 18}}))
    assert ClipProcessor.of_pictures(tmp_path, "clip").crop == (18, 18)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "has none of preprocessor_config.json, processor_config.json"),
        ("{", "preprocessor_config.json is no file of a processor: Expecting"),
        ('{"do_center_crop": false}', "pictures keep their sides' ratio and are not cropped"),
        ('{"size": {"longest_edge": 9}}', "size={'longest_edge': 9}; allowed"),
        ('{"image_mean": [0.5]}', "mean"),
        ('{"resample": 0}', "resample=0; allowed"),
    ],
)
def test_a_recipe_that_cannot_be_used_is_told(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        ClipProcessor.of_pictures(tmp_path, "clip")


def test_frames_are_encoded_as_by_transformers(folder: Path) -> None:
    from transformers import AutoModel

    mine = encoder(folder, batch=3)
    clips = [pictures(2, seed=seed) for seed in range(4)]
    frames = torch.from_numpy(np.concatenate(clips)).permute(0, 3, 1, 2)
    pixels = ClipProcessor.of_pictures(folder, folder.name).normalised(frames)
    with torch.inference_mode():
        theirs = AutoModel.from_pretrained(folder).get_image_features(pixel_values=pixels).pooler_output.numpy()
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    found = mine.encode(clips)
    assert found.dtype == np.float32
    assert found.shape == (4, *mine.identity.shape)
    np.testing.assert_allclose(found.reshape(8, -1), theirs, atol=1e-5)
    assert not np.allclose(found[0], found[1], atol=0.01)
    assert mine.encode([]).shape == (0, *mine.identity.shape)


def test_texts_are_encoded_as_by_transformers(folder: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    texts = ["a Dog", "一只猫在睡觉", "much " * 30]
    network, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    theirs = []
    for text in texts:
        fill = {"padding": "max_length"} if folder.name == "siglip" else {}
        given = text.lower() if folder.name == "siglip" else text  # its authors trained it on small letters
        ids = tokenizer(given, truncation=True, max_length=64, return_tensors="pt", **fill)["input_ids"]
        with torch.inference_mode():
            vector = network.get_text_features(input_ids=ids).pooler_output[0].numpy()
        theirs.append(vector / np.linalg.norm(vector))
    np.testing.assert_allclose(encoder(folder, batch=2).text_vectors(texts), theirs, atol=1e-5)


def test_sharpness_is_the_one_that_was_learned(folder: Path) -> None:
    from transformers import AutoModel

    assert encoder(folder).sharpness == pytest.approx(AutoModel.from_pretrained(folder).logit_scale.exp().item())


def test_a_clip_is_decoded_and_encoded(folder: Path, encode) -> None:
    mine = encoder(folder, count=3)
    (prepared,) = prepare_media(str(encode(width=96, height=64)), {"it": mine}).values()
    assert prepared.shape == (3, 32, 32, 3)
    assert mine.encode([prepared]).shape == (1, *mine.identity.shape)


def test_the_shape_needs_no_weights(own_folder: Path) -> None:
    (own_folder / "model.safetensors").write_bytes(b"none")
    assert encoder(own_folder).identity.shape == (2, 12)
    with pytest.raises(ConfigurationError, match=r"cannot be loaded .*download or save it again"):
        encoder(own_folder).encode([pictures(2)])


def test_the_identity_covers_what_decides_values_and_no_more(own_folder: Path, tmp_path: Path) -> None:
    def made(folder: Path, **parameters) -> str:
        return encoder(folder, **parameters).identity.fingerprint

    first = made(own_folder)
    moved = Path(shutil.copytree(own_folder, tmp_path / "moved"))
    assert first == made(moved) == made(own_folder, device="auto", batch=1) == made(own_folder, precision="float32")
    recipe = json.loads((moved / "preprocessor_config.json").read_text()) | {"image_mean": [0.0] * 3}
    (moved / "preprocessor_config.json").write_text(json.dumps(recipe))
    assert len({first, made(moved), made(own_folder, count=3), made(own_folder, precision="bfloat16")}) == 4


def test_lower_precision_gives_nearly_the_same(folder: Path) -> None:
    full, lower = encoder(folder).encode([pictures(2)]), encoder(folder, precision="bfloat16").encode([pictures(2)])
    assert lower.dtype == np.float32
    assert 0 < np.abs(full - lower).max() < 0.05
    np.testing.assert_allclose(np.linalg.norm(lower, axis=-1), 1, atol=1e-5)


def test_workers_get_no_network_and_need_no_folder(own_folder: Path) -> None:
    mine = encoder(own_folder)
    mine.encode([pictures(2)])
    sent = pickle.dumps(mine)
    assert len(sent) < 1500
    shutil.rmtree(own_folder)
    assert pickle.loads(sent).prepare([pictures(1)[0]] * 2).shape == (2, 32, 32, 3)
    assert pickle.loads(sent)._processor.crop == (32, 32)


def test_a_model_of_another_kind_is_told(tiny_checkpoints: dict[str, Path]) -> None:
    with pytest.raises(ConfigurationError, match="is a 'bert', which image_text does not read; allowed: clip"):
        encoder(tiny_checkpoints["bert"]).identity  # noqa: B018


def test_pictures_of_another_size_are_told(own_folder: Path) -> None:
    (own_folder / "preprocessor_config.json").write_text('{"crop_size": 16}')
    with pytest.raises(ConfigurationError, match=r"pictures of \(16, 16\) pixels, and its network takes 32 by 32"):
        encoder(own_folder).identity  # noqa: B018


def test_weights_that_are_absent_are_told(own_folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(own_folder / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, own_folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigurationError, match="1 of the network's weights are absent, such as visual_projection"):
        encoder(own_folder).encode([pictures(2)])


def test_a_bundle_finds_its_checkpoint_again_or_says_what_is_missing(own_folder: Path) -> None:
    read = FeatureInput.of(encoder(own_folder))
    json.dumps(read.parameters)  # bundles keep them
    assert read.extractor().identity.fingerprint == read.fingerprint
    own_folder.rename(own_folder.with_name("renamed"))
    with pytest.raises(
        BundleError, match=r"reads 'image_text' features, which cannot be made here: checkpoint '.*own'"
    ):
        read.extractor()


def test_parameters_are_checked(tiny_checkpoints: dict[str, Path]) -> None:
    checkpoint = {"name": str(tiny_checkpoints["clip"])}
    assert list(FeatureOptions(image_text={"checkpoint": checkpoint}).root) == ["image_text"]
    for wrong in ({}, {"checkpoint": checkpoint, "device": "gpu"}, {"checkpoint": checkpoint, "precision": "int4"}):
        with pytest.raises(ValueError, match="image_text"):
            FeatureOptions(image_text=wrong)
