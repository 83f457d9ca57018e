from collections.abc import Collection

import numpy as np

from cu_pipeline.sample import phrases
from cu_pipeline.sample.world import MOTION_PAIR


class _Slots(dict[str, str]):
    """Fills `{slot}` with a random word of the language."""

    def __init__(self, rng: np.random.Generator, lang: str) -> None:
        super().__init__()
        self._rng, self._words = rng, phrases.SLOTS[lang]

    def __missing__(self, slot: str) -> str:
        numbers = {
            "number": lambda: str(self._rng.integers(2, 90)),
            "percent": lambda: str(self._rng.integers(2, 15) * 5),
            "price": lambda: f"{self._rng.integers(4, 60)}.99",
            "code": lambda: pick(self._rng, phrases.CODES),
        }
        return numbers[slot]() if slot in numbers else pick(self._rng, self._words[slot])


def pick(rng: np.random.Generator, choices: Collection[str]) -> str:
    """Choose one of `choices`."""
    return list(choices)[int(rng.integers(len(choices)))]


def fill(rng: np.random.Generator, template: str, lang: str = "en") -> str:
    """Fill the slots of `template`."""
    return template.format_map(_Slots(rng, lang))


def caption(
    rng: np.random.Generator, *, topic: str, shown: Collection[str], lang: str, told: bool, new_slang: bool
) -> str:
    """Write a caption.

    Args:
        rng: makes every choice.
        topic: the clip's.
        shown: the safety classes that the caption gives away.
        lang: `en`, `es` or `de`.
        told: whether the caption gives the topic away.
        new_slang: write as people do after the drift.
    """
    parts = [_opening(rng, topic, lang, told, new_slang)]
    if "violence" in shown:
        parts.append(fill(rng, pick(rng, phrases.VIOLENCE[lang]), lang))
    if "advert" in shown:
        parts.append(fill(rng, pick(rng, phrases.ADVERTS[lang]), lang))
    closers = phrases.NEW_CLOSERS if new_slang else phrases.CLOSERS[lang]
    if new_slang or rng.random() < 0.3:
        parts.append(pick(rng, closers))
    text = pick(rng, (". ", ", ", " ", " | ")).join(parts)
    if rng.random() < 0.4:
        text = text.lower()
    emoji = phrases.EMOJI[topic] if told and rng.random() < 0.5 else phrases.COMMON_EMOJI
    if rng.random() < 0.7:
        text += " " + pick(rng, emoji) * int(rng.integers(1, 4))
    return " ".join([text, *_tags(rng, topic, told, new_slang)])


def overlay(rng: np.random.Generator, *, told: Collection[str], lang: str) -> tuple[str, ...]:
    """Write the lines of text on screen.

    Args:
        rng: makes every choice.
        told: the topic and the safety classes that the text gives away.
        lang: `en`, `es` or `de`.

    Returns:
        A line for each of `told`; without any, nothing or one line that tells nothing.
    """
    table = phrases.OVERLAYS[lang]
    names = list(told) or ([""] if rng.random() < 0.4 else [])
    return tuple(fill(rng, pick(rng, table[name]), lang) for name in names)


def _opening(rng: np.random.Generator, topic: str, lang: str, told: bool, new_slang: bool) -> str:
    if told:
        return fill(rng, pick(rng, phrases.SENTENCES[lang][topic]), lang)
    if topic in MOTION_PAIR and rng.random() < 0.5:
        return fill(rng, pick(rng, phrases.SITE[lang]), lang)
    return fill(rng, pick(rng, phrases.NEW_FILLERS if new_slang else phrases.FILLERS[lang]), lang)


def _tags(rng: np.random.Generator, topic: str, told: bool, new_slang: bool) -> list[str]:
    common = phrases.NEW_TAGS if new_slang else phrases.COMMON_TAGS
    tags = [common[int(place)] for place in rng.permutation(len(common))[: int(rng.integers(0, 4))]]
    if told and rng.random() < 0.35:
        tags.insert(0, pick(rng, phrases.TAGS[topic]))
    return tags
