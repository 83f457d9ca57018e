import re
from collections.abc import Sequence


def parse_answer(text: str, answers: Sequence[str]) -> int | None:
    """Find which of the answers a model's own words name.

    Only the first line that is not empty counts. The answer that is named first wins, the longest where
    several begin there; capitals do not matter, and an answer counts as a whole word only.

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
    line = next((line for line in text.splitlines() if line.strip()), "")
    found = [
        (match.start(), -len(answer), place)
        for place, answer in enumerate(answers)
        if (match := re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", line, re.IGNORECASE))
    ]
    return min(found)[2] if found else None
