import numpy as np
import pytest

from cu_pipeline.features.frame_encoder import FrameEncoder, class_names, frame_tags


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """Give the features of two photographs, a palace and a flower, as clips of one frame."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    frames = []
    for name in ("china.jpg", "flower.jpg"):
        picture = Image.fromarray(load_sample_image(name))
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BILINEAR)
        frames.append(np.asarray(square)[None])
    return FrameEncoder(count=1).encode(frames)


def test_tags_name_what_photographs_show(photographs) -> None:
    palace, flower = frame_tags(photographs, most=3, least_probability=0.05)
    assert palace.split(", ")[0] == "palace"
    assert flower.split(", ")[0] == "daisy"


def test_unlikely_tags_and_clips_without_frames_have_none(photographs) -> None:
    absent = np.full_like(photographs[:1], np.nan)
    assert frame_tags(np.concatenate([absent, photographs]), most=3, least_probability=1.0) == ["", "", ""]
    assert frame_tags(photographs[:0], most=3, least_probability=0.1) == []


def test_every_output_of_the_network_has_a_name() -> None:
    assert len(class_names()) == 1000
