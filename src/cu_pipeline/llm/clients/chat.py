"""The chat form of OpenAI's API, as requests and replies in JSON."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.llm.clients.formats import json_schema

_IMAGE_KINDS: Final = {b"\xff\xd8\xff": "jpeg", b"\x89PNG": "png", b"GIF8": "gif", b"RIFF": "webp"}


def chat_request(prompt: str, max_tokens: int, images: Sequence[bytes] = ()) -> dict[str, Any]:
    """Give a request for the likeliest answer to one message.

    Args:
        prompt: the message.
        max_tokens: after which the answer is cut.
        images: encoded pictures, sent within the message.
    """
    pictures = [{"type": "image_url", "image_url": {"url": data_uri(image)}} for image in images]
    content = [{"type": "text", "text": prompt}, *pictures] if images else prompt
    return {"messages": [{"role": "user", "content": content}], "max_tokens": max_tokens, "temperature": 0}


def answer_format(choices: Sequence[str]) -> dict[str, Any]:
    """Give the part of a request that holds the answer to `{"answer": one of choices}`."""
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
