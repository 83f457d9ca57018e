"""What is read of a sound track, against the samples that were written."""

from itertools import pairwise

import av
import numpy as np
import pytest

from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.media.sound import RATE, read_sound

SECONDS = 2.0


def tone(rate, seconds=SECONDS, hertz=440):
    return 0.4 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def heard(path, most_s=60.0):
    return np.concatenate([np.empty(0, np.float32), *read_sound(path, most_s)])


def middle(samples):
    """A second, away from where codecs fade in and out."""
    return samples[RATE // 2 : RATE // 2 + RATE]


@pytest.mark.parametrize(
    ("codec", "ending", "rate", "layout", "off"),
    [
        ("pcm_s16le", "mkv", 16_000, "mono", 1e-3),
        ("pcm_s32le", "mkv", 48_000, "stereo", 2e-3),
        ("pcm_f32le", "mov", 22_050, "5.1", 2e-3),
        ("pcm_u8", "mkv", 8_000, "stereo", 0.01),
        ("aac", "mp4", 44_100, "mono", 0.02),
        ("aac", "mp4", 48_000, "stereo", 0.02),
        ("libmp3lame", "mp4", 44_100, "stereo", 0.02),
        ("libopus", "mkv", 48_000, "mono", 0.05),
    ],
)
def test_every_codec_rate_and_number_of_channels_gives_the_same_samples(
    write_film, tmp_path, codec, ending, rate, layout, off
):
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    loudness = np.linspace(0.5, 1.5, channels)[:, None] if channels > 1 else np.ones((1, 1))
    found = heard(write_film(tmp_path / f"film.{ending}", loudness * tone(rate), rate=rate, codec=codec, layout=layout))
    assert found.dtype == np.float32
    assert len(found) == pytest.approx(SECONDS * RATE, abs=0.1 * RATE)
    spectrum = np.abs(np.fft.rfft(middle(found))) * 2 / RATE
    assert spectrum.argmax() == 440
    assert spectrum[440] == pytest.approx(0.4, abs=off)
    assert np.delete(spectrum, 440).max() < 0.005


def test_a_film_without_a_track_has_no_sound(write_film, encode, tmp_path):
    assert heard(write_film(tmp_path / "silent.mp4", None)).size == 0
    assert heard(encode("moving.gif", codec="gif", frames=3)).size == 0


def test_no_more_is_read_than_is_asked_for(write_film, tmp_path):
    film = write_film(tmp_path / "film.mp4", tone(16_000, 8))
    some = list(read_sound(film, 5.0))
    assert sum(map(len, some)) == 5 * RATE
    assert max(map(len, some)) < 2.5 * RATE
    np.testing.assert_array_equal(np.concatenate(some), heard(film)[: len(np.concatenate(some))])


def packets_of(path, kind):
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [(packet.pos, packet.size) for packet in container.demux(stream) if packet.size]


def spoil(path, spans):
    data = bytearray(path.read_bytes())
    for at, size in spans:
        data[at : at + size] = b"\xff" * size
    path.write_bytes(data)
    return path


def test_packets_that_do_not_decode_are_left_out(write_film, tmp_path):
    film = write_film(tmp_path / "film.mp4", tone(16_000, 8))
    whole, packets = heard(film), packets_of(film, "audio")
    rest = heard(spoil(film, packets[20:25]))
    assert 0 < len(whole) - len(rest) <= 6 * 1024
    np.testing.assert_array_equal(rest[: 15 * 1024], whole[: 15 * 1024])


def test_sound_of_which_nothing_decodes_is_refused(write_film, tmp_path):
    film = write_film(tmp_path / "film.mp4", tone(16_000))
    spoil(film, packets_of(film, "audio"))
    with pytest.raises(BadClipError, match=r"no packet of \d+ with sound decodes") as caught:
        heard(film)
    assert caught.value.reason is Reason.NO_FRAMES


def test_a_rate_at_which_a_track_would_grow_without_bound_is_refused(write_film, tmp_path):
    film = write_film(tmp_path / "film.mkv", np.zeros(400), rate=100, codec="pcm_s16le")
    with pytest.raises(BadClipError, match="sound at 100 Hz is not read; at least 1000"):
        heard(film)


def test_a_file_that_breaks_off_is_read_up_to_there(write_film, tmp_path):
    film = write_film(tmp_path / "film.mkv", tone(16_000, 8), codec="pcm_s16le")
    whole, data = heard(film), film.read_bytes()
    film.write_bytes(data[: len(data) // 2])
    half = heard(film)
    assert len(half) == pytest.approx(len(whole) / 2, rel=0.15)
    np.testing.assert_array_equal(half, whole[: len(half)])


def test_a_track_may_change_its_channels_on_the_way(tmp_path):
    parts = []
    for number, (layout, channels) in enumerate([("mono", 1), ("stereo", 2)]):
        path = tmp_path / f"{number}.adts"
        with av.open(str(path), "w", format="adts") as container:
            stream = container.add_stream("aac", rate=16_000, layout=layout)
            frame = av.AudioFrame.from_ndarray(np.tile(tone(16_000), (channels, 1)).astype(np.float32), "fltp", layout)
            frame.sample_rate = 16_000
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        parts.append(path)
    both = tmp_path / "both.adts"
    both.write_bytes(b"".join(path.read_bytes() for path in parts))
    found = heard(both)
    assert len(found) == pytest.approx(2 * SECONDS * RATE, rel=0.1)
    for begin, end in pairwise((0, len(found) // 2, len(found))):
        assert np.sqrt(np.square(middle(found[begin:end])).mean()) == pytest.approx(0.4 / np.sqrt(2), rel=0.03)
