import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from cu_pipeline.core.errors import BadClipError
from cu_pipeline.features.clip_pictures import ClipPictures, close_pools
from cu_pipeline.media.pictures import pictures


def test_pictures_are_decoded_when_wanted(encode) -> None:
    clip = encode(frames=10)
    assert ClipPictures(str(clip), "sha", 2, 32).load() == pictures(clip, 2, 32)


def test_a_clip_that_does_not_decode_is_refused(tmp_path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing")
    with pytest.raises(BadClipError):
        ClipPictures(str(broken), "sha", 2, 32).load()


def test_all_that_decides_the_pictures_is_in_their_key() -> None:
    given = [("a", 1, 32), ("b", 1, 32), ("a", 2, 32), ("a", 1, 64)]
    assert len({ClipPictures("x.mp4", *one).key for one in given}) == len(given)
    assert ClipPictures("x.mp4", "a", 1, 32).key == ClipPictures("moved/x.mp4", "a", 1, 32).key


def test_closing_ends_the_workers_and_a_later_picture_starts_others(encode) -> None:
    clip = ClipPictures(str(encode(frames=10)), "sha", 2, 32)
    before = clip.load()
    close_pools()
    assert not [one for one in psutil.Process().children() if "cu_pipeline.compute.worker" in one.cmdline()]
    assert clip.load() == before


SCRIPT = """
import sys
from cu_pipeline.features.clip_pictures import ClipPictures
print(len(ClipPictures(sys.argv[1], "sha", 2, 64).load()))
"""


def test_a_process_that_has_decoded_pictures_leaves_no_worker_behind(encode, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", SCRIPT, str(encode(frames=10))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "2\n"
    assert "still running" not in done.stderr
