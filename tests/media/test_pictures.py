import io

from PIL import Image

from cu_pipeline.media.pictures import pictures


def test_pictures_keep_the_ratio_of_the_sides_and_are_never_enlarged(encode):
    clip = encode(frames=10, width=64, height=48)
    for side, expected in ((32, (32, 24)), (500, (64, 48))):
        sizes = {Image.open(io.BytesIO(one)).size for one in pictures(clip, 3, side)}
        assert sizes == {expected}
    assert len(pictures(clip, 3, 32)) == 3


def test_pictures_are_turned_as_the_clip_is_shown(encode, turned):
    (one,) = pictures(turned(encode(frames=3, width=64, height=48)), 1, 32)
    assert Image.open(io.BytesIO(one)).size == (24, 32)
