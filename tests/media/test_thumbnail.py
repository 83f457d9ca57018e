import io

import pytest
from PIL import Image

from cu_pipeline.core.errors import BadClipError
from cu_pipeline.media.pictures import thumbnail


def test_thumbnail_keeps_the_ratio_of_the_sides(encode):
    with Image.open(io.BytesIO(thumbnail(encode(frames=3, width=64, height=48), 96))) as image:
        assert (image.format, image.size) == ("JPEG", (128, 96))


def test_thumbnail_is_turned_as_the_clip_is_shown(encode, turned):
    with Image.open(io.BytesIO(thumbnail(turned(encode(frames=3, width=64, height=48)), 96))) as image:
        assert image.size == (72, 96)


def test_thumbnail_of_a_broken_file_is_refused(tmp_path):
    with pytest.raises(BadClipError):
        thumbnail(tmp_path / "absent.mp4", 96)
