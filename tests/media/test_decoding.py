import csv
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.media import decoding
from cu_pipeline.media.container import open_video, read_index
from cu_pipeline.media.decoding import (
    decode_in_order,
    decode_sample,
    decode_samples,
    decoder_identity,
    plan_runs,
    sample_frames,
    upright,
)
from cu_pipeline.media.sampling import Sampling, sample_positions

clocks = st.lists(st.integers(-1000, 100_000), min_size=1, max_size=50, unique=True).map(sorted)


@given(clocks, st.integers(0, 1000), st.integers(1, 32))
def test_positions_exist_and_ascend(starts, tail, count):
    positions = sample_positions(starts, starts[-1] + tail, count)
    assert len(positions) == count
    assert positions == sorted(positions)
    assert 0 <= positions[0] <= positions[-1] < len(starts)


@given(clocks, st.integers(-50, 50))
def test_positions_do_not_depend_on_when_the_clock_starts(starts, shift):
    shifted = [start + shift for start in starts]
    assert sample_positions(starts, starts[-1] + 10, 8) == sample_positions(shifted, shifted[-1] + 10, 8)


def test_long_frames_are_chosen_as_often_as_they_are_shown():
    assert sample_positions([0, 10, 90], 100, 5) == [1, 1, 1, 1, 2]


@given(clocks, st.integers(0, 1000), st.integers(1, 32), st.integers(0, 500))
def test_pairs_are_as_far_apart_as_the_clip_allows(starts, tail, count, gap):
    positions = Sampling(count, None, gap_s=gap / 1000).positions(starts, starts[-1] + tail, unit_s=1 / 1000)
    assert len(positions) == 2 * count
    for earlier, later in zip(positions[::2], positions[1::2], strict=True):
        assert 0 <= earlier <= later < len(starts)
        assert earlier < later or len(starts) == 1
        apart = starts[later] - starts[earlier]
        assert apart >= gap or (earlier, later) == (0, len(starts) - 1)
        assert later - earlier <= 1 or starts[later - 1] - starts[earlier] < gap or later == len(starts) - 1


MALFORMED = Path(__file__).parents[3] / "shared" / "data" / "malformed"

STREAMS = {
    "short groups of pictures": {"frames": 100, "g": "12", "bf": "2"},
    "long groups of pictures": {"frames": 100, "g": "250", "bf": "3"},
    "open groups of pictures": {"name": "a.mkv", "codec": "mpeg2video", "frames": 100, "g": "10", "bf": "3"},
    "no frames out of order": {"frames": 60, "g": "30", "bf": "0"},
    "pyramid of references": {"frames": 90, "g": "30", "bf": "7", "x264-params": "b-pyramid=normal:b-adapt=0"},
    "intra refresh": {"frames": 90, "g": "20", "x264-params": "intra-refresh=1"},
    "hevc": {"codec": "libx265", "frames": 60, "x265-params": "keyint=15:bframes=4:log-level=none"},
    "vp8 with hidden frames": {"name": "a.webm", "codec": "libvpx", "frames": 60, "auto-alt-ref": "1"},
    "vp9": {"name": "a.webm", "codec": "libvpx-vp9", "frames": 40, "cpu-used": "8"},
    "mpeg4 without clocks": {"name": "a.avi", "codec": "mpeg4", "frames": 60, "bf": "2", "g": "12"},
    "transport stream": {"name": "a.ts", "frames": 60, "g": "12"},
    "gif": {"name": "a.gif", "codec": "gif", "frames": 20, "fps": 10},
    "one frame": {"frames": 1},
    "fewer frames than asked for": {"frames": 3},
}


def small(frame):
    return upright(frame, 32, 32)


def tiny(frame):
    return upright(frame, 16, 16)


@pytest.mark.parametrize("stream", STREAMS)
def test_frames_equal_those_of_decoding_everything(encode, stream):
    clip = encode(**STREAMS[stream])
    for count in (1, 3, 8, 16, 33):
        assert np.array_equal(sample_frames(clip, count, 32), decode_in_order(clip, [Sampling(count, small)])[0])


@pytest.mark.parametrize("stream", ["short groups of pictures", "open groups of pictures", "hevc", "gif", "vp9"])
def test_well_made_streams_are_not_decoded_from_end_to_end(encode, stream, monkeypatch):
    clip = encode(**STREAMS[stream])
    monkeypatch.setattr(decoding, "decode_in_order", None)
    for count in (4, 33):
        assert sample_frames(clip, count, 16).shape == (count, 16, 16, 3)


@pytest.mark.parametrize("stream", ["short groups of pictures", "mpeg4 without clocks", "one frame"])
def test_several_samplings_of_a_clip_give_what_each_gives_alone(encode, stream):
    clip = encode(**STREAMS[stream])
    samplings = [Sampling(8, small), Sampling(3, tiny), Sampling(4, small, gap_s=0.1), Sampling(16, small)]
    for sampling, frames in zip(samplings, decode_samples(clip, samplings), strict=True):
        assert np.array_equal(frames, decode_samples(clip, [sampling])[0])


@pytest.mark.parametrize("stream", STREAMS)
def test_pairs_and_their_times_equal_those_of_decoding_everything(encode, stream):
    clip = encode(**STREAMS[stream])
    samplings = [Sampling(count, lambda frame: frame.time, gap_s=0.1) for count in (1, 5, 16)]
    times = decode_samples(clip, samplings)
    assert times == decode_in_order(clip, samplings)
    for earlier, later in zip(times[0][::2], times[0][1::2], strict=True):
        assert later - earlier == pytest.approx(0.1, abs=0.05) or STREAMS[stream]["frames"] <= 3


@pytest.mark.parametrize(("width", "height"), [(21, 32), (32, 32)])
def test_grey_pictures_are_the_colour_ones_without_colour(encode, turned, width, height):
    clip = turned(encode(frames=3, width=64, height=48, crf="4"))
    colour, grey = (
        decode_sample(clip, 1, lambda frame, pixels=pixels: upright(frame, width, height, pixels))[0]
        for pixels in ("rgb24", "gray")
    )
    assert grey.shape == (height, width)
    np.testing.assert_allclose(grey, colour @ (0.299, 0.587, 0.114), atol=6)


def test_frames_are_those_at_the_centres_of_equal_segments(encode):
    clip = encode(frames=40, width=304, height=48, crf="4")
    bars = [
        int(np.argmax(image.min(axis=2).mean(axis=0)))
        for image in decode_sample(clip, 4, lambda f: upright(f, 304, 48))
    ]
    numbers = [(bar + 3) // 7 for bar in bars]
    assert numbers == [5, 15, 25, 35]


def test_few_packets_are_decoded_where_key_frames_are_many(encode):
    with open_video(encode(frames=200, g="10", bf="2")) as (container, stream):
        packets = read_index(container, stream).packets
    clocks = [packet.pts for packet in packets]
    runs = plan_runs(packets, clocks, sorted(clocks)[25:200:50])
    assert len(packets) == 200
    assert sum(run.last - run.first + 1 for run in runs) <= 4 * 10


def test_short_clips_repeat_frames(encode):
    frames = sample_frames(encode(frames=2), 8, 16)
    assert len(np.unique(frames.reshape(8, -1), axis=0)) == 2


def test_frames_are_turned_as_they_are_shown(encode, turned):
    clip = encode(frames=3, width=64, height=48, crf="4")
    plain = decode_sample(clip, 1, lambda frame: upright(frame, 64, 48))[0]
    shown = decode_sample(turned(clip), 1, lambda frame: upright(frame, 48, 64))[0]
    assert np.array_equal(shown, np.rot90(plain, -1))


def test_damage_in_the_middle_is_truncated(encode):
    clip = encode(frames=60, width=320, height=240, g="250", bf="0")
    with av.open(str(clip)) as container:
        packet = list(container.demux(video=0))[20]
        place, size = packet.pos, packet.size
    data = bytearray(clip.read_bytes())
    data[place : place + size] = b"\xff" * size
    clip.write_bytes(data)
    with pytest.raises(BadClipError) as error:
        sample_frames(clip, 8, 32)
    assert error.value.reason is Reason.TRUNCATED


def test_the_decoder_names_all_that_its_frames_depend_on():
    identity = decoder_identity()
    assert identity["version"] == av.__version__
    assert set(identity) == {"name", "version", "libavcodec", "libavformat", "libswscale"}


@pytest.mark.skipif(not MALFORMED.is_dir(), reason="the collection of odd files is not here")
def test_odd_files_give_the_frames_of_decoding_everything():
    with (MALFORMED / "manifest.csv").open(encoding="utf-8") as file:
        decodable = [row["path"] for row in csv.DictReader(file) if row["observed"] == "ok" and "3h" not in row["path"]]
    for path in decodable:
        assert np.array_equal(
            sample_frames(MALFORMED / path, 4, 32), decode_in_order(MALFORMED / path, [Sampling(4, small)])[0]
        ), path
