"""Equality with transformers' own processors that need no torchvision, and with what its other processors say."""

import json

import numpy as np
import pytest
import torch
from transformers import VideoMAEImageProcessorPil, VivitImageProcessor

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.features.clip_processor import ClipProcessor

LEVEL = 1 / 255 / 0.2
"""A level, after the least of the usual deviations."""


def smooth(height: int, width: int) -> np.ndarray:
    """A picture, uint8 (height, width, 3), with slopes and edges."""
    rows, columns = np.mgrid[0:height, 0:width]
    image = np.stack([rows * 255 // height, columns * 255 // width, (rows // 9 + columns // 7) % 2 * 255], axis=-1)
    return image.astype(np.uint8)


def processed(processor: ClipProcessor, image: np.ndarray) -> np.ndarray:
    frames = torch.from_numpy(image).permute(2, 0, 1)[None]
    return processor.normalised(processor.views(processor.resized(frames))[0])[0].numpy()


def saved(processor, folder) -> ClipProcessor:
    processor.save_pretrained(folder)
    return ClipProcessor.load(folder)


@pytest.mark.parametrize("sides", [(60, 100), (100, 60), (33, 57), (32, 32), (20, 24)], ids=str)
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (VideoMAEImageProcessorPil, {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}),
        (VideoMAEImageProcessorPil, {"size": {"shortest_edge": 36}, "crop_size": {"height": 31, "width": 32}}),
        (VideoMAEImageProcessorPil, {"size": {"height": 24, "width": 30}, "do_center_crop": False}),
        (VideoMAEImageProcessorPil, {"size": {"shortest_edge": 28}, "crop_size": 32, "resample": 3}),
        (VideoMAEImageProcessorPil, {"size": 32, "crop_size": 32, "do_normalize": False}),
        (VivitImageProcessor, {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}),
        (VivitImageProcessor, {"size": 32, "crop_size": 32, "offset": False, "rescale_factor": 1 / 255}),
    ],
    ids=["videomae", "odd crop", "squeezed", "bicubic, padded", "not normalised", "vivit", "vivit without offset"],
)
def test_values_are_those_of_transformers_own_processor(kind, options, sides, tmp_path):
    theirs, image = kind(**options), smooth(*sides)
    expected = np.asarray(theirs([image], return_tensors="np")["pixel_values"][0][0])
    found = processed(saved(theirs, tmp_path), image)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1.01 * LEVEL
    assert np.abs(found - expected).mean() < 0.1 * LEVEL


def test_the_offset_of_vivit_is_known_from_its_type():
    given = {"size": {"shortest_edge": 8}, "crop_size": 8, "image_mean": [0] * 3, "image_std": [1] * 3}
    given |= {"rescale_factor": 1 / 127.5}
    offsets = {
        name: ClipProcessor.parsed(given | {"video_processor_type": name}, "x").offset
        for name in ("VivitVideoProcessor", "VideoMAEVideoProcessor")
    }
    assert offsets == {"VivitVideoProcessor": -1, "VideoMAEVideoProcessor": 0}


def test_the_size_of_vjepa2_follows_from_its_crop(tmp_path):
    given = {"video_processor_type": "VJEPA2VideoProcessor", "size": {"shortest_edge": 1}, "crop_size": 256}
    given |= {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "rescale_factor": 1 / 255}
    (tmp_path / "video_preprocessor_config.json").write_text(json.dumps(given))
    found = ClipProcessor.load(tmp_path)
    assert (found.shorter, found.crop) == (292, (256, 256))


def test_what_a_processor_of_several_kinds_saved_comes_first(tmp_path):
    of_images = {"size": 8, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}
    of_videos = of_images | {"size": {"height": 16, "width": 24}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(of_images))
    (tmp_path / "processor_config.json").write_text(json.dumps({"tokenizer": {}}))
    assert ClipProcessor.load(tmp_path).crop == (8, 8)
    (tmp_path / "processor_config.json").write_text(json.dumps({"video_processor": of_videos}))
    assert ClipProcessor.load(tmp_path).crop == (16, 24)


def test_views_are_spread_along_the_longer_side():
    processor = ClipProcessor(shorter=4, crop=(4, 4), mean=(0, 0, 0), std=(1, 1, 1))
    wide = torch.arange(10.0).expand(1, 3, 4, 10)
    assert processor.views(wide, 3)[:, 0, 0, 0, 0].tolist() == [0, 3, 6]
    assert processor.views(wide)[:, 0, 0, 0, 0].tolist() == [3]
    assert processor.views(wide.transpose(2, 3), 3)[:, 0, 0, 0, 0].tolist() == [0, 3, 6]


def test_a_processor_comes_back_from_json():
    processor = ClipProcessor(shorter=4, crop=(4, 4), mean=(0, 0.5, 0), std=(1, 1, 1))
    assert ClipProcessor(**json.loads(processor.model_dump_json())) == processor


WHOLE = {"size": 8, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, r"none of processor_config.json, video_preprocessor_config.json, preprocessor_config.json"),
        ("{half", "preprocessor_config.json is no file of a processor"),
        ([1], "preprocessor_config.json is no file of a processor"),
        (WHOLE | {"image_std": None}, "does not say image_std"),
        (WHOLE | {"image_mean": [0, 0]}, "mean"),
        (WHOLE | {"size": {"longest_edge": 8}}, r"size=\{'longest_edge': 8\}; allowed"),
        (WHOLE | {"resample": 1}, r"resample=1; allowed: 2 \(bilinear\), 3 \(bicubic\)"),
        (WHOLE | {"do_resize": False}, "neither size nor crop_size"),
    ],
    ids=str,
)
def test_a_file_that_is_absent_or_says_too_little_is_told(given, told, tmp_path):
    if given is not None:
        text = given if isinstance(given, str) else json.dumps(given)
        (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(ConfigurationError, match=told):
        ClipProcessor.load(tmp_path)
