"""How a model is held to one of several answers: by a grammar over tokens, or by a JSON schema."""

import json
from collections.abc import Iterable, Sequence
from typing import Any


def token_grammar(alternatives: Iterable[Sequence[int]]) -> str:
    """Give llama.cpp's grammar (GBNF) of one of several sequences of token ids.

    A grammar over letters would let the model spell a word in other tokens than its usual ones.

    >>> token_grammar([[7, 8], [9]])
    'root ::= <[7]> <[8]> | <[9]>'
    """
    return "root ::= " + " | ".join(" ".join(f"<[{token}]>" for token in one) for one in alternatives)


def json_schema(choices: Sequence[str]) -> dict[str, Any]:
    """Give the schema of `{"answer": one of choices}`."""
    return {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": list(choices)}},
        "required": ["answer"],
        "additionalProperties": False,
    }


def room_for(choices: Sequence[str], max_tokens: int) -> int:
    """Give a number of tokens in which every choice fits, as text or as JSON: each token has a byte or more."""
    return max([max_tokens, *(2 * len(one.encode()) + 32 for one in choices)])


def pick(text: str, choices: Sequence[str]) -> str:
    """Find the choice that a model wrote, plain or as `{"answer": …}`.

    Raises:
        ValueError: it wrote none of them.

    >>> pick('{"answer": "cooking"}', ["cooking", "pets"]), pick(" Pets.", ["cooking", "pets"])
    ('cooking', 'pets')
    """
    try:
        written = json.loads(text)["answer"]
    except (ValueError, KeyError, TypeError):
        written = text
    exact = [one for one in choices if one == written]
    found = exact or [one for one in choices if _plain(one) == _plain(str(written))]
    if len(found) != 1:
        raise ValueError(f"the model wrote {text[:80]!r}, which is none of {', '.join(choices)}")
    return found[0]


def _plain(text: str) -> str:
    return text.strip(" \t\r\n\"'`*.,:;!").casefold()
