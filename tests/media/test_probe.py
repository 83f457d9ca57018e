import csv
import wave
from pathlib import Path

import av
import pytest
from PIL import Image

from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.core.hashing import file_sha256
from cu_pipeline.media.options import Limits
from cu_pipeline.media.probe import probe

MALFORMED = Path(__file__).parents[3] / "shared" / "data" / "malformed"


def refusal(path, **limits):
    with pytest.raises(BadClipError) as error:
        probe(path, Limits(**limits))
    return error.value.reason


def facts_or_error(path, limits):
    try:
        return probe(path, limits)
    except BadClipError as error:
        return error


def test_facts_of_an_ordinary_clip(encode):
    clip = encode(frames=50, fps=25, width=64, height=48, audio=True)
    facts = probe(clip, Limits())
    assert (facts.width, facts.height, facts.codec, facts.rotation) == (64, 48, "h264", 0)
    assert facts.duration_s == pytest.approx(2.0)
    assert facts.fps == pytest.approx(25)
    assert facts.has_audio
    assert facts.bytes == clip.stat().st_size
    assert facts.sha256 == file_sha256(clip)


def test_length_is_counted_where_the_header_does_not_say(encode):
    clip = encode("clip.webm", codec="libvpx", frames=30, fps=10)
    with av.open(str(clip)) as container:
        assert container.streams.video[0].frames == 0
    facts = probe(clip, Limits())
    assert facts.duration_s == pytest.approx(3.0, abs=0.11)
    assert facts.codec == "vp8"
    assert not facts.has_audio


@pytest.mark.parametrize(
    ("name", "codec"), [("a.gif", "gif"), ("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.mov", "mjpeg")]
)
def test_containers_are_known_by_content_not_by_name(encode, name, codec):
    clip = encode(name, codec=codec, frames=5)
    misnamed = clip.rename(clip.with_name("concat:%03d.mp3"))
    assert probe(misnamed, Limits()).duration_s > 0


def test_a_single_frame_is_a_clip(encode):
    assert probe(encode(frames=1), Limits()).duration_s == pytest.approx(0.04)


def test_rotated_clips_have_the_sides_that_are_shown(encode, turned):
    facts = probe(turned(encode(width=64, height=48)), Limits())
    assert (facts.width, facts.height, facts.rotation) == (48, 64, 270)


def test_limits_refuse(encode):
    clip = encode(frames=50, fps=25, width=64, height=48)
    assert refusal(clip, max_bytes=100) is Reason.TOO_LARGE
    assert refusal(clip, max_duration_s=1.9) is Reason.TOO_LONG
    assert refusal(clip, max_pixels=64 * 48 - 1) is Reason.TOO_MANY_PIXELS
    probe(clip, Limits(max_bytes=clip.stat().st_size, max_duration_s=2.0, max_pixels=64 * 48))


def test_files_that_are_no_clip_have_a_reason(tmp_path, encode):
    assert refusal(tmp_path / "absent.mp4") is Reason.MISSING
    assert refusal(tmp_path) is Reason.MISSING
    (tmp_path / "empty.mp4").touch()
    assert refusal(tmp_path / "empty.mp4") is Reason.EMPTY
    (tmp_path / "text.mp4").write_text("not a video\n" * 50)
    assert refusal(tmp_path / "text.mp4") is Reason.NOT_MEDIA
    with pytest.raises(BadClipError, match="does not begin like a video"):
        probe(tmp_path / "text.mp4", Limits())
    with wave.open(str(tmp_path / "sound.mp4"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(1600))
    assert refusal(tmp_path / "sound.mp4") is Reason.NO_VIDEO


@pytest.mark.parametrize("movflags", ["faststart", "frag_keyframe"])
@pytest.mark.parametrize("picture", [4, 27])
@pytest.mark.parametrize("share", [0.5, 1.0], ids=["within a picture", "between two pictures"])
def test_a_cut_off_upload_is_truncated(encode, movflags, picture, share):
    clip = encode(frames=40, width=160, height=120, g="10", movflags=movflags)
    with av.open(str(clip)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][picture]
        kept = packet.pos + int(packet.size * share)
    data = clip.read_bytes()
    clip.write_bytes(data[:kept])
    assert refusal(clip) is Reason.TRUNCATED
    clip.write_bytes(data)
    probe(clip, Limits())


def test_a_clip_cannot_make_the_decoder_open_other_files(tmp_path, encode):
    other = encode("other.ts", frames=10)
    playlist = tmp_path / "clip.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{other}\n#EXT-X-ENDLIST\n")
    assert refusal(playlist) in {Reason.NOT_MEDIA, Reason.NO_VIDEO, Reason.NO_FRAMES}
    concat = tmp_path / "list.mp4"
    concat.write_text("ffconcat version 1.0\nfile other.ts\n")
    assert refusal(concat) is Reason.NOT_MEDIA


@pytest.mark.skipif(not MALFORMED.is_dir(), reason="the collection of odd files is not here")
def test_whatever_decodes_is_accepted_and_the_rest_has_a_reason():
    with (MALFORMED / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    facts = {row["clip_id"]: facts_or_error(MALFORMED / row["path"], Limits(max_duration_s=20_000)) for row in rows}
    for row in rows:
        found = facts[row["clip_id"]]
        if row["observed"] == "ok":
            assert not isinstance(found, BadClipError), f"{row['clip_id']}: {found}"
            assert (found.width, found.height) == (float(row["width"]), float(row["height"]))
        else:
            assert isinstance(found, BadClipError) or "partial" in row["observed"], row["clip_id"]


def test_animated_webp_is_refused_with_what_to_do_and_a_still_one_is_read(tmp_path):
    frames = [Image.new("RGB", (64, 48), (level, level, level)) for level in (20, 120, 220)]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:], duration=500)
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:], duration=500)
    frames[0].save(tmp_path / "still.webp")
    Image.new("RGBA", (64, 48)).save(tmp_path / "clear.webp")
    with pytest.raises(BadClipError, match="animated WebP is not read: convert it to MP4, WebM or GIF"):
        probe(tmp_path / "moving.webp", Limits())
    for name, duration in (("moving.gif", 1.5), ("still.webp", 0.04), ("clear.webp", 0.04)):
        assert probe(tmp_path / name, Limits()).duration_s == pytest.approx(duration)


def test_a_file_at_a_limit_is_taken_and_one_beyond_it_is_refused(encode):
    clip = encode(frames=50, fps=25, width=64, height=48)
    size = clip.stat().st_size
    at = {"max_bytes": size, "max_duration_s": 2.0, "max_pixels": 64 * 48}
    assert probe(clip, Limits(**at)).duration_s == 2.0
    for change, reason in (
        ({"max_bytes": size - 1}, Reason.TOO_LARGE),
        ({"max_duration_s": 1.999}, Reason.TOO_LONG),
        ({"max_pixels": 64 * 48 - 1}, Reason.TOO_MANY_PIXELS),
    ):
        assert refusal(clip, **(at | change)) == reason
