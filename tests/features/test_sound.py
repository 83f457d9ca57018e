"""What the measures of sound say of sounds that are known, and what becomes of clips without any."""

import pickle

import numpy as np
import pytest

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core import counters
from cu_pipeline.features.encoding import prepare_media
from cu_pipeline.features.extract import extract_missing
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.frame_encoder import FrameEncoder
from cu_pipeline.features.sound import Sound
from cu_pipeline.features.sound_statistics import HOP, MEASURES, WINDOW, measure, statistics
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.media.options import Limits
from cu_pipeline.media.sound import RATE

BANDS = 40


def times(seconds=6.0, rate=RATE):
    return np.arange(round(seconds * rate)) / rate


def tone(hertz, seconds=6.0, rate=RATE):
    return 0.3 * np.sin(2 * np.pi * hertz * times(seconds, rate))


def noise(seconds=6.0, rate=RATE):
    return 0.1 * np.random.default_rng(0).standard_normal(round(seconds * rate))


def chord(seconds=6.0, rate=RATE):
    return sum(tone(hertz, seconds, rate) for hertz in (261.6, 329.6, 392.0)) / 3


def voice(seconds=6.0, rate=RATE):
    """A buzz whose pitch glides and that swells four times a second."""
    pitch = 140 + 40 * np.sin(2 * np.pi * 0.7 * times(seconds, rate))
    buzz = sum(np.sin(2 * np.pi * np.cumsum(number * pitch) / rate) / np.sqrt(number) for number in range(1, 25))
    return 0.05 * buzz * swelling(4, seconds, rate, 0.6)


def swelling(times_a_second, seconds=6.0, rate=RATE, depth=1.0):
    return 1 + depth * np.cos(2 * np.pi * times_a_second * times(seconds, rate))


def brown():
    walk = np.cumsum(noise())
    return walk / np.abs(walk).max()


class Numbers:
    """The numbers of a sound's segments, by name."""

    def __init__(self, numbers):
        assert numbers.dtype == np.float32
        assert np.isfinite(numbers).all()
        self.all = numbers

    def __getitem__(self, name):
        return self.all[:, 2 * BANDS + list(MEASURES).index(name)]

    @property
    def mels(self):
        return self.all[:, :BANDS]


def measured(samples, segments=8):
    parts = np.array_split(samples.astype(np.float32), 7)
    return Numbers(statistics(measure(parts, BANDS), segments))


@pytest.mark.parametrize("hertz", [200, 1000, 3000])
def test_a_tone_has_its_frequency_and_its_level(hertz):
    found = measured(tone(hertz))
    np.testing.assert_allclose(found["centroid"], hertz / 1000, atol=0.005)
    np.testing.assert_allclose(found["level"], np.log10(0.3**2 / 2), atol=0.02)
    np.testing.assert_allclose(np.log10((10**found.mels).sum(axis=1)), found["level"], atol=0.1)
    assert found["flatness"].max() < 0.01
    assert found["tonality"].min() > 0.95
    assert found["music"].tolist() == [1] * 8


def test_higher_tones_lie_in_higher_bands():
    strongest = [measured(tone(hertz)).mels.mean(axis=0).argmax() for hertz in (100, 200, 400, 800, 1600, 3200, 6400)]
    assert strongest == sorted(set(strongest))


def test_white_noise_is_flat_and_neither_speech_nor_music():
    found = measured(noise())
    assert found["flatness"].min() > 0.9
    assert found["tonality"].max() < 0.1
    np.testing.assert_allclose(found["centroid"], (60 + 7000) / 2 / 1000, atol=0.1)
    assert found["modulation"].max() < 0.1
    assert not found["speech"].any()
    assert not found["music"].any()


def test_rumble_is_no_tone():
    found = measured(brown())
    assert found["flatness"].max() < 0.2
    assert found["music"].max() < 0.2


def test_silence_is_silent_and_nothing_else():
    found = measured(np.zeros(6 * RATE))
    assert found["silence"].tolist() == [1] * 8
    assert found["level"].tolist() == pytest.approx([-8] * 8)
    for name in set(MEASURES) - {"silence", "level"}:
        assert not found[name].any()


def test_half_a_second_of_silence_in_the_middle_is_seen_there():
    samples = noise(8)
    samples[3 * RATE : 4 * RATE] = 0
    found = measured(samples)
    np.testing.assert_allclose(found["silence"], [0, 0, 0, 1, 0, 0, 0, 0], atol=0.05)
    np.testing.assert_allclose(found["level_spread"][[0, 1, 6, 7]], 0, atol=0.1)


@pytest.mark.parametrize(("rate", "speech"), [(4, 1), (3, 1), (0.7, 0), (12, 0)])
def test_noise_that_swells_as_often_as_syllables_is_like_speech(rate, speech):
    found = measured(noise() * swelling(rate))
    assert found["speech"].tolist() == [speech] * 8
    if rate == 4:
        np.testing.assert_allclose(found["modulation"], 1, atol=0.1)


def test_depth_of_modulation_is_that_of_the_sound():
    np.testing.assert_allclose(measured(noise() * swelling(4, depth=0.5))["modulation"], 0.5, atol=0.07)


def test_a_voice_is_like_speech_and_a_chord_like_music():
    spoken, played = measured(voice()), measured(chord())
    assert (spoken["speech"].mean() > 0.9, spoken["music"].mean()) == (True, 0)
    assert (played["speech"].mean(), played["music"].mean()) == (0, 1)


def test_loudness_changes_level_and_not_what_the_sound_is_like():
    loud, soft = measured(voice()), measured(0.1 * voice())
    np.testing.assert_allclose(loud["level"] - soft["level"], 2, atol=0.01)
    for name in ("centroid", "flatness", "tonality", "modulation", "speech"):
        np.testing.assert_allclose(soft[name], loud[name], atol=0.02)


def test_beats_are_onsets():
    clicks = np.zeros(6 * RATE)
    clicks[RATE // 4 :: RATE // 2] = 0.9
    beats, steady = (
        measured(np.convolve(clicks, np.exp(-np.arange(2000) / 300))[: 6 * RATE] * noise()),
        measured(noise()),
    )
    assert beats["onset_spread"].min() > 3 * steady["onset_spread"].max()


@pytest.mark.parametrize("samples", [1, 100, 511, 512, 800, 5000])
def test_the_shortest_sound_has_all_numbers(samples):
    found = measured(noise()[:samples])
    assert found.all.shape == (8, 2 * BANDS + len(MEASURES))
    assert not found["modulation"].any()


def test_nothing_changes_with_the_parts_in_which_a_long_track_comes():
    samples = voice(40).astype(np.float32)
    whole = statistics(measure([samples], BANDS), 8)
    pieces = statistics(measure((samples[at : at + 1111] for at in range(0, len(samples), 1111)), BANDS), 8)
    np.testing.assert_array_equal(pieces, whole)
    assert Numbers(whole)["speech"].mean() > 0.9


def test_each_moment_of_a_long_track_is_looked_at_once():
    ramp = np.repeat(np.geomspace(0.01, 0.5, 40), RATE).astype(np.float32) * tone(1000, 40).astype(np.float32)
    found = measure([ramp], BANDS)
    assert len(found.level) == 1 + (len(ramp) - WINDOW) // HOP
    middles = HOP * np.arange(len(found.level)) + WINDOW // 2
    loudness = np.log10(np.square(np.geomspace(0.01, 0.5, 40)[middles // RATE] * 0.3) / 2)
    np.testing.assert_allclose(found.level, loudness, atol=0.1)


def test_no_sample_is_no_sound():
    assert measure([], BANDS) is None


def prepared(path, **parameters):
    return prepare_media(str(path), {"sound": Sound(**parameters)})["sound"]


@pytest.mark.parametrize(
    ("codec", "ending", "rate", "layout"),
    [
        ("aac", "mp4", 16_000, "mono"),
        ("aac", "mp4", 48_000, "stereo"),
        ("libmp3lame", "mp4", 44_100, "mono"),
        ("libopus", "mkv", 48_000, "stereo"),
    ],
)
@pytest.mark.parametrize("sound", [chord, voice])
def test_codecs_rates_and_channels_change_little(write_film, tmp_path, codec, ending, rate, layout, sound):
    samples = np.tile(sound(4, rate), (2 if layout == "stereo" else 1, 1))
    film = write_film(tmp_path / f"film.{ending}", samples, rate=rate, codec=codec, layout=layout, b="128000")
    found, expected = Numbers(prepared(film, segments=4)), measured(sound(4), 4)
    inner = slice(1, -1)  # codecs add a little silence at the ends
    for name, off in {"level": 0.05, "centroid": 0.03, "modulation": 0.06, "tonality": 0.06, "speech": 0.1}.items():
        np.testing.assert_allclose(found[name][inner], expected[name][inner], atol=off, err_msg=name)
    loud = expected.mels[inner] > expected.mels.max() - 2
    np.testing.assert_allclose(found.mels[inner][loud], expected.mels[inner][loud], atol=0.2)


def test_all_that_decides_the_numbers_is_in_the_key():
    given = [{}, {"segments": 4}, {"bands": 64}, {"most_s": 60}]
    assert len({Sound(**one).identity.fingerprint for one in given}) == len(given)
    assert "libswresample" in Sound().identity.decoder
    assert Sound(bands=64, segments=4).identity.shape == (4, 128 + len(MEASURES))
    assert len(pickle.dumps(Sound())) < 500


def test_the_rest_of_a_long_track_is_not_read(write_film, tmp_path):
    film = write_film(tmp_path / "film.mp4", np.concatenate([np.zeros(4 * RATE), noise(4)]))
    assert Numbers(prepared(film, most_s=3))["silence"].mean() == 1
    assert Numbers(prepared(film))["silence"].mean() == pytest.approx(0.5, abs=0.05)


@pytest.fixture
def films(write_film, tmp_path):
    """A film with sound, two without, and one whose sound does not decode."""
    written = {name: write_film(tmp_path / f"{name}.mp4", noise(2)) for name in ("sound", "spoilt")}
    written |= {name: write_film(tmp_path / f"{name}.mp4", None) for name in ("silent", "mute")}
    data = bytearray(written["spoilt"].read_bytes())
    for at, size in _packets(written["spoilt"]):
        data[at : at + size] = b"\xff" * size
    written["spoilt"].write_bytes(data)
    return {name: str(path) for name, path in written.items()}


def _packets(path):
    import av

    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]


class Grey(FrameEncoder):
    """Frames without their network."""

    identity = Identity(name="grey", version=1, shape=(1,), weights_sha256="")

    def encode(self, frames):
        return np.array([[one.mean()] for one in frames], dtype=np.float32)


def test_clips_without_sound_are_counted_in_a_line_and_bad_sound_costs_the_sound_alone(films, tmp_path, caplog):
    caplog.set_level("INFO")
    store, extractors = FeatureStore(tmp_path / "store"), [Grey(count=1, size=32), Sound()]
    counters.reset()
    for chunk in extract_missing(extractors, {"media": films, "text": {}}, store, Limits(), LocalMapper(1)):
        store.append(chunk.identity, chunk.keys, chunk.values)
    grey, sound = (store.read(one.identity, list(films)) for one in extractors)
    assert np.isfinite(grey).all()
    assert np.isfinite(sound).all(axis=(1, 2)).tolist() == [name == "sound" for name in films]
    told = caplog.text
    assert "sound: 2 of 4 clips have none, and it counts as absent" in told
    assert "spoilt.mp4: sound: no_frames: no packet of" in told
    assert "sound: 1 of 4 clips could not be used" in told
    assert [record.levelname for record in caplog.records].count("WARNING") == 2
    assert counters.counts() == {"clips_decoded": 4, "grey_encoded": 4, "sound_encoded": 1}
    assert list(extract_missing(extractors, {"media": films, "text": {}}, store, Limits(), LocalMapper(1))) == []
