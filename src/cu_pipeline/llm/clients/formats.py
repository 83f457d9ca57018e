"""Requests in the forms of OpenAI's API, and how a model is held to one of several answers."""

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any, Final

from cu_pipeline.core.errors import ConfigurationError


def token_grammar(alternatives: Iterable[Sequence[int]]) -> str:
    """Write llama.cpp's grammar (GBNF) of one of several sequences of token ids.

    A grammar over letters would let the model spell a word in other tokens than its usual ones.

    >>> token_grammar([[7, 8], [9]])
    'root ::= <[7]> <[8]> | <[9]>'
    """
    return "root ::= " + " | ".join(" ".join(f"<[{token}]>" for token in one) for one in alternatives)


def json_schema(choices: Sequence[str]) -> dict[str, Any]:
    """Write the schema of `{"answer": one of choices}`."""
    return {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": list(choices)}},
        "required": ["answer"],
        "additionalProperties": False,
    }


def room_for(choices: Sequence[str], max_tokens: int) -> int:
    """Reckon a number of tokens in which every choice fits, as text or as JSON: each token has a byte or more."""
    return max([max_tokens, *(2 * len(one.encode()) + 32 for one in choices)])


def pick(text: str, choices: Sequence[str]) -> str:
    """Find the choice that a model wrote, plain or as `{"answer": …}`.

    Raises:
        ValueError: it wrote none of them.

    >>> pick('{"answer": "cooking"}', ["cooking", "pets"]), pick(" Pets.", ["cooking", "pets"])
    ('cooking', 'pets')
    >>> pick(" C.", ["C", "C."])
    'C.'
    """
    try:
        written = json.loads(text)["answer"]
    except (ValueError, KeyError, TypeError):
        written = text
    exact = [one for one in choices if one in {text, text.strip()}] or [one for one in choices if one == written]
    found = exact or [one for one in choices if _plain(one) == _plain(str(written))]
    if len(found) != 1:
        raise ValueError(f"the model wrote {text[:80]!r}, which is none of {', '.join(choices)}")
    return found[0]


def _plain(text: str) -> str:
    return text.strip(" \t\r\n\"'`*.,:;!").casefold()


_IMAGE_KINDS: Final = {b"\xff\xd8\xff": "jpeg", b"\x89PNG": "png", b"GIF8": "gif", b"RIFF": "webp"}


def chat_request(prompt: str, max_tokens: int, images: Sequence[bytes] = ()) -> dict[str, Any]:
    """Write a request for the likeliest answer to one message.

    Args:
        prompt: the message.
        max_tokens: after which the answer is cut.
        images: encoded pictures, sent within the message.
    """
    pictures = [{"type": "image_url", "image_url": {"url": data_uri(image)}} for image in images]
    content = [{"type": "text", "text": prompt}, *pictures] if images else prompt
    return {"messages": [{"role": "user", "content": content}], "max_tokens": max_tokens, "temperature": 0}


def answer_format(choices: Sequence[str]) -> dict[str, Any]:
    """Write the part of a request that holds the answer to `{"answer": one of choices}`."""
    schema = {"name": "answer", "strict": True, "schema": json_schema(choices)}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def data_uri(image: bytes) -> str:
    r"""Write a picture as a data URI.

    >>> data_uri(b"\xff\xd8\xff")
    'data:image/jpeg;base64,/9j/'
    """
    for start, kind in _IMAGE_KINDS.items():
        if image.startswith(start):
            return f"data:image/{kind};base64,{b64encode(image).decode()}"
    raise ConfigurationError(f"an image starts with {image[:4]!r}; it must be JPEG, PNG, GIF or WebP")
