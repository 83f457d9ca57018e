"""Which classes a model's own words name. Only the first line that is not empty counts."""

import re
from collections.abc import Sequence


def parse_answer(text: str, answers: Sequence[str]) -> int | None:
    """Find which of the answers a model's own words name.

    The answer that is named first wins, the longest where several begin there; capitals do not matter, and an
    answer counts as a whole word only.

    Args:
        text: what the model wrote.
        answers: the possible ones.

    Returns:
        Place of the answer; None if none is named.

    >>> parse_answer(" It is about Pets, not cooking.", ["cooking", "pets"])
    1
    >>> parse_answer("petshop", ["cooking", "pets"]) is None
    True
    """
    named = re.search(_whole_word(answers), _first_line(text), re.IGNORECASE) if answers else None
    return _place(named[0], answers) if named else None


def parse_answers(text: str, answers: Sequence[str], nothing: Sequence[str]) -> tuple[int, ...] | None:
    """Find all answers that a model's own words name.

    Words are found as by `parse_answer`. An answer right after "no", "not" or "without" is denied and not named.
    Where what says that nothing holds comes first, nothing does, whatever follows.

    Args:
        text: what the model wrote.
        answers: the possible ones, any number of which may hold.
        nothing: words that say that none holds.

    Returns:
        Places of the answers that hold, in order; empty if none holds; None if nothing is named at all.

    >>> parse_answers("Violence, advert.", ["advert", "violence"], ["none"])
    (0, 1)
    >>> parse_answers("None: no advert", ["advert", "violence"], ["none"])
    ()
    >>> parse_answers("advert but no violence", ["advert", "violence"], ["none"])
    (0,)
    >>> parse_answers("a nice day", ["advert", "violence"], ["none"]) is None
    True
    """
    known = (*answers, *nothing)
    pattern = rf"{_whole_word(known)}|(?<!\w)(?:no|not|without)\s+(?P<denied>{_whole_word(answers)})"
    found = list(re.finditer(pattern, _first_line(text), re.IGNORECASE))
    if not found:
        return None
    named = [_place(one[0], known) for one in found if one["denied"] is None]
    if named and named[0] >= len(answers):
        return ()
    return tuple(sorted({place for place in named if place < len(answers)}))


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")


def _whole_word(answers: Sequence[str]) -> str:
    """Give the pattern of any of the answers, of which the longest is tried first."""
    longest_first = sorted(answers, key=len, reverse=True)
    return rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)"


def _place(word: str, answers: Sequence[str]) -> int:
    return next(place for place, answer in enumerate(answers) if re.fullmatch(re.escape(answer), word, re.IGNORECASE))
