"""Answers in most scripts, whose tokens split letters.

llama.cpp reports no log-probability of a token that ends within a letter of UTF-8, and fails at a grammar over such
tokens. What the model thinks of them is read off another token's report: see `following`.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

FORCE: Final = 100.0
"""Added to a token's logit it makes that token certain; the reported log-probabilities leave it out."""

_AHEAD: Final = 40.0
"""How much further the anchor is forced, so that it is written whatever the model thinks of the others."""

ANCHORS: Final = (" the", " of", "\n")
"""Texts of which each is one whole token of common vocabularies."""

STOP: Final = "\n"
"""What a model writes after an answer that ends where another goes on."""

_LEAST: Final = 1e-45
"""The least probability above 0 that the engine reports."""

Path = tuple[int, ...]


class Step(Protocol):
    """Has the engine write one token after a prompt and reports it."""

    def __call__(self, prompt: list[int], **request: object) -> Mapping[str, Any]:
        """Complete `prompt` (token ids) and give what is reported of the token."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of a text.

    Attributes:
        ids: in order.
        whole: whether each is a text by itself, so that none ends within a letter.
    """

    ids: list[int]
    whole: bool


def read_tokens(reply: Mapping[str, Any]) -> Tokens:
    """Read llama.cpp's reply to a request for tokens with their pieces; a server that tells no pieces gives bare ids.

    >>> read_tokens({"tokens": [{"id": 5, "piece": " a"}, {"id": 7, "piece": [195]}]})
    Tokens(ids=[5, 7], whole=False)
    """
    pairs = [(one["id"], one["piece"]) if isinstance(one, Mapping) else (one, "") for one in reply["tokens"]]
    return Tokens([number for number, _ in pairs], all(isinstance(piece, str) for _, piece in pairs))


def tokens_request(text: str, *, special: bool = False) -> dict[str, Any]:
    """Write the request that `read_tokens` reads the reply of.

    Args:
        text: to be split.
        special: whether `<|…|>` in it stands for a mark of the chat format.
    """
    return {"content": text, "add_special": False, "parse_special": special, "with_pieces": True}


def following(step: Step, start: Sequence[int], candidates: Iterable[int], anchors: Sequence[int]) -> dict[int, float]:
    """Score each candidate for the token after `start`.

    A whole token, the anchor, is forced to be written. One pass reports its true log-probability, and a second the
    shares of anchor and candidates among themselves, from which those of the candidates follow.

    Args:
        step: the engine.
        start: token ids.
        candidates: token ids.
        anchors: token ids of `ANCHORS`.

    Returns:
        Natural logarithm of each candidate's probability among all tokens.
    """
    asked = sorted(set(candidates))
    anchor = next(one for one in anchors if one not in asked)
    ahead = [[anchor, FORCE + _AHEAD]]
    best = step([*start], logprobs=1, logit_bias=ahead, temperature=0)
    shares = step(
        [*start],
        logprobs=len(asked) + 1,
        logit_bias=[*ahead, *([one, FORCE] for one in asked)],
        post_sampling_probs=True,
        samplers=[],
        temperature=1,
    )
    share = {one["id"]: one["prob"] for one in shares["top_probs"]}
    base = best["logprob"] - math.log(share[anchor]) + _AHEAD
    return {one: min(base + math.log(max(share.get(one, 0.0), _LEAST)), 0.0) for one in asked}


def sequence_logprobs(
    step: Step, start: Sequence[int], ends: Sequence[Sequence[int]], anchors: Sequence[int]
) -> tuple[float, ...]:
    """Sum the log-probabilities of each end's tokens after `start`, as `following` tells them."""
    paths = [tuple(end) for end in ends]
    known: dict[Path, dict[int, float]] = {
        path: following(step, [*start, *path], _next(paths, path), anchors) for path in sorted(_inner(paths))
    }
    return tuple(math.fsum(known[path[:place]][token] for place, token in enumerate(path)) for path in paths)


def likeliest(
    step: Step, start: Sequence[int], ends: Sequence[Sequence[int]], anchors: Sequence[int], stop: int
) -> int:
    """Let the model write token by token, held to one of the ends, always taking the likeliest token.

    Args:
        step: the engine.
        start: token ids.
        ends: token ids of the answers that are allowed.
        anchors: token ids of `ANCHORS`.
        stop: the token that stands for the end of an answer with which another begins.

    Returns:
        Place of the end that is written.
    """
    paths = [tuple(end) for end in ends]
    path: Path = ()
    while len(left := {one for one in paths if one[: len(path)] == path}) > 1:
        candidates = [*_next(paths, path), *([stop] if path in left else [])]
        scores = following(step, [*start, *path], candidates, anchors) if len(candidates) > 1 else {candidates[0]: 0.0}
        chosen = max(scores, key=lambda token: (scores[token], -token))
        if chosen == stop and path in left:
            return paths.index(path)
        path = (*path, chosen)
    return paths.index(left.pop())


def as_json(answer: str) -> str:
    """Write an answer as a model does that is held to JSON."""
    return json.dumps({"answer": answer}, ensure_ascii=False)


def _inner(paths: Iterable[Path]) -> set[Path]:
    return {path[:place] for path in paths for place in range(len(path))}


def _next(paths: Iterable[Path], path: Path) -> list[int]:
    length = len(path)
    return sorted({one[length] for one in paths if len(one) > length and one[:length] == path})
