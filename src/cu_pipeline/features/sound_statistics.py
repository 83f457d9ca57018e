"""Measures of sound: short-time spectra, what they look like, and whether they go like speech or like music.

The spectra are those of windows of 32 ms, every 16 ms. Some measures need more than one of them: they are made of
blocks of 16 (a quarter of a second), or look at two seconds around a block.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.media.sound import RATE, Samples

Numbers = NDArray[np.float32]

WINDOW: Final = 512
"""Samples of a spectrum."""

HOP: Final = 256
"""Samples from one spectrum to the next."""

BLOCK: Final = 16
"""Spectra of a block."""

_AROUND: Final = 128
"""Spectra around a block, of two seconds, in which modulation is looked for."""

_LEAST: Final = 62
"""Spectra in which a second of sound is seen: in less, a note that fades would swell and fall."""

_CHUNK: Final = 64 * BLOCK
"""Spectra that are made together, which bounds the memory they take."""

_LOWEST_HZ, _HIGHEST_HZ = 60.0, 7000.0
"""Of what is looked at: below it recordings hum, above it codecs and telephones cut off."""

_FLOOR: Final = 1e-8
"""Of power, where full scale is 1: 80 dB below it all is silence."""

_SILENT_BELS: Final = -6.0
"""Level below which a spectrum counts as silence: 60 dB below full scale."""

_BINS: Final = 16
"""Frequencies of a narrow band, of 500 Hz, in which noise is flat and a tone is not."""

_SYLLABLES_HZ: Final = (2.5, 6.0)
"""How often a speaker's voice swells and falls: syllables, about four a second."""

_MODULATED: Final = 0.25
"""Depth of modulation from which a block goes like speech: of sentences it is around a half."""

_TONAL: Final = 0.8
"""Tonality from which a block holds notes: of voices it is lower, since their pitch glides."""


@dataclass(frozen=True)
class Sound:
    """Measures of a track.

    Attributes:
        mels: log10 of power in mel bands (spectra, bands).
        level: log10 of the mean square (spectra); bels below full scale.
        centroid: where in frequency the power lies, in kHz (spectra); 0 in silence.
        flatness: geometric over arithmetic mean of a block's mean spectrum (blocks); 0 in silence.
        tonality: 1 less the same within narrow bands, weighted by their power (blocks); 0 in silence.
    """

    mels: Numbers
    level: Numbers
    centroid: Numbers
    flatness: Numbers
    tonality: Numbers

    @cached_property
    def onset(self) -> Numbers:
        """Onset strength (spectra): how much the mel bands rise from one spectrum to the next, in bels.

        Source: S. Böck, G. Widmer, "Maximum filter vibrato suppression for onset detection", DAFx 2013, without the
        filter.
        """
        return np.maximum(np.diff(self.mels, axis=0, prepend=self.mels[:1]), 0).mean(axis=1)

    @cached_property
    def modulation(self) -> Numbers:
        """How deep the sound swells and falls at the rate of syllables, over the mean (blocks).

        1 for a tone or noise that goes from nothing to twice its mean and back four times a second. The envelope is the
        mean amplitude over mel bands. 0 where there is less than a second of sound.

        Source: 4 Hz modulation energy of E. Scheirer, M. Slaney, "Construction and evaluation of a robust multifeature
        speech/music discriminator", ICASSP 1997.
        """
        envelope = np.sqrt(np.maximum(np.power(10, self.mels) - np.float32(_FLOOR), 0)).mean(axis=1)
        length = min(_AROUND, len(envelope))
        if length < _LEAST:
            return np.zeros_like(self.tonality)
        middles = BLOCK * np.arange(len(self.tonality)) + BLOCK // 2
        starts = np.clip(middles - length // 2, 0, len(envelope) - length)
        taper = np.hanning(length + 2)[1:-1]
        parts = np.lib.stride_tricks.sliding_window_view(envelope, length)[starts]
        mean = (parts * taper).sum(axis=1, keepdims=True) / taper.sum()
        swell = np.abs(np.fft.rfft((parts - mean) * taper, axis=1)) ** 2
        rates = np.fft.rfftfreq(length, HOP / RATE)
        within = swell[:, (rates >= _SYLLABLES_HZ[0]) & (rates <= _SYLLABLES_HZ[1])].sum(axis=1)
        variance = 2 * within / (length * np.square(taper).sum())
        loud = mean[:, 0] > np.sqrt(_FLOOR)
        depth = np.sqrt(2 * variance) / np.maximum(mean[:, 0], np.sqrt(_FLOOR))
        return np.asarray(np.where(loud, depth, 0), dtype=np.float32)


def measure(parts: Iterable[Samples], bands: int) -> Sound | None:
    """Measure a track, of which little is in memory at a time.

    Args:
        parts: samples at `RATE`, one part after the other.
        bands: on the mel scale.

    Returns:
        None where there is no sample.
    """
    found = [_measured(samples, bands) for samples in _chunks(parts)]
    if not found:
        return None
    return Sound(*(np.concatenate(one).astype(np.float32) for one in zip(*found, strict=True)))


def _chunks(parts: Iterable[Samples]) -> Iterator[Samples]:
    """The samples of `_CHUNK` spectra at a time; the last may be of fewer, and of one at least."""
    needed, overlap = HOP * (_CHUNK - 1) + WINDOW, WINDOW - HOP
    waiting: list[Samples] = []
    length, begun = 0, False
    for part in parts:
        waiting.append(part)
        length += len(part)
        while length >= needed:
            samples = np.concatenate(waiting)
            yield samples[:needed]
            begun = True
            waiting = [samples[needed - overlap :]]
            length = len(waiting[0])
    if length >= WINDOW:
        yield np.concatenate(waiting)
    elif length and not begun:
        yield np.pad(np.concatenate(waiting), (0, WINDOW - length))


def _measured(samples: Samples, bands: int) -> tuple[Numbers, ...]:
    """The fields of `Sound`, of one chunk."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames * window, axis=1))) / np.float32(np.square(window).sum() * WINDOW / 2)
    mels = np.log10(power @ mel_bank(bands) + np.float32(_FLOOR))
    level = np.log10(np.square(frames).mean(axis=1) + np.float32(_FLOOR))
    first, last = (round(hertz * WINDOW / RATE) for hertz in (_LOWEST_HZ, _HIGHEST_HZ))
    heard = power[:, first:last]
    kilohertz = np.arange(first, last, dtype=np.float32) * (RATE / WINDOW / 1000)
    centroid = np.where(level > _SILENT_BELS, heard @ kilohertz / np.maximum(heard.sum(axis=1), 1e-20), 0)
    starts = np.arange(0, max(len(heard) - BLOCK // 2, 1), BLOCK)
    blocks = np.add.reduceat(heard, starts, axis=0)
    blocks /= np.diff(starts, append=len(heard))[:, None].astype(np.float32)
    sounding = np.maximum.reduceat(level, starts) > _SILENT_BELS
    return mels, level, centroid, np.where(sounding, _flatness(blocks), 0), np.where(sounding, _tonality(blocks), 0)


def _flatness(power: Numbers) -> Numbers:
    """Geometric over arithmetic mean along the last axis: 1 for white noise, near 0 for a tone.

    Source: J. Johnston, "Transform coding of audio signals using perceptual noise criteria", 1988.
    """
    some = power + np.float32(1e-14)
    return np.asarray(np.exp(np.log(some).mean(axis=-1)) / some.mean(axis=-1), dtype=np.float32)


def _tonality(power: Numbers) -> Numbers:
    """1 less flatness within narrow bands, so that no slope of the spectrum passes for a tone."""
    bands = power[:, : power.shape[1] // _BINS * _BINS].reshape(len(power), -1, _BINS)
    weights = bands.mean(axis=2) + np.float32(1e-14)
    return np.asarray(1 - (_flatness(bands) * weights).sum(axis=1) / weights.sum(axis=1), dtype=np.float32)


@cache
def mel_bank(bands: int) -> Numbers:
    """Triangles of equal width on the mel scale, that add up to 1: (frequencies of a spectrum, bands).

    Source: S. Davis, P. Mermelstein, "Comparison of parametric representations for monosyllabic word recognition",
    1980; the scale is D. O'Shaughnessy's, 2595 log10(1 + f / 700).
    """
    lowest, highest = (2595 * np.log10(1 + hertz / 700) for hertz in (_LOWEST_HZ, _HIGHEST_HZ))
    corners = 700 * (10 ** (np.linspace(lowest, highest, bands + 2) / 2595) - 1)
    fine = 16  # the lowest bands are narrower than the step from one frequency to the next
    steps = np.arange(-fine // 2, fine // 2)[None, :] / fine + np.arange(WINDOW // 2 + 1)[:, None]
    hertz = (steps * RATE / WINDOW)[..., None]
    rise = (hertz - corners[:-2]) / (corners[1:-1] - corners[:-2])
    fall = (corners[2:] - hertz) / (corners[2:] - corners[1:-1])
    return np.asarray(np.clip(np.minimum(rise, fall), 0, None).mean(axis=1), dtype=np.float32)


class Measure(NamedTuple):
    """A way to put a stretch of a track into one number.

    Attributes:
        of: a value for each spectrum or each block.
        to: what the stretch's values come to.
    """

    of: Callable[[Sound], NDArray[Any]]
    to: Callable[[NDArray[Any]], Any]


MEASURES: Final = {
    "level": Measure(lambda sound: sound.level, np.mean),
    "level_spread": Measure(lambda sound: sound.level, np.std),
    "silence": Measure(lambda sound: sound.level < _SILENT_BELS, np.mean),
    "centroid": Measure(lambda sound: sound.centroid, np.mean),
    "centroid_spread": Measure(lambda sound: sound.centroid, np.std),
    "onset": Measure(lambda sound: sound.onset, np.mean),
    "onset_spread": Measure(lambda sound: sound.onset, np.std),
    "flatness": Measure(lambda sound: sound.flatness, np.mean),
    "tonality": Measure(lambda sound: sound.tonality, np.mean),
    "modulation": Measure(lambda sound: sound.modulation, np.mean),
    "speech": Measure(lambda sound: (sound.modulation > _MODULATED) & (sound.tonality < _TONAL), np.mean),
    "music": Measure(lambda sound: (sound.modulation <= _MODULATED) & (sound.tonality >= _TONAL), np.mean),
}
"""By name, in the order of their numbers, which follow the mean and the standard deviation of each mel band."""


def width(bands: int) -> int:
    """Numbers of a segment."""
    return 2 * bands + len(MEASURES)


def statistics(sound: Sound, segments: int) -> Numbers:
    """Put a track into numbers: float32 (segments, width), of equal segments of its time."""
    mels = _segmented(sound.mels, segments)
    columns = [np.stack([part.mean(axis=0) for part in mels]), np.stack([part.std(axis=0) for part in mels])]
    columns += [np.array([[one.to(part)] for part in _segmented(one.of(sound), segments)]) for one in MEASURES.values()]
    return np.concatenate(columns, axis=1).astype(np.float32)


def _segmented(values: NDArray[Any], segments: int) -> list[NDArray[Any]]:
    """Values over time by segment; each has one at least."""
    count = len(values)
    starts = [place * count // segments for place in range(segments)]
    ends = [max((place + 1) * count // segments, start + 1) for place, start in enumerate(starts)]
    return [values[start:end] for start, end in zip(starts, ends, strict=True)]
