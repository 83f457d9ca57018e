from collections.abc import Iterable, Iterator, Mapping

from tqdm import tqdm

from cu_pipeline.core.counters import count
from cu_pipeline.prompting.call_log import Call
from cu_pipeline.prompting.client import Scored
from cu_pipeline.prompting.clients import client_kind
from cu_pipeline.prompting.options import ClientOptions
from cu_pipeline.prompting.question import Question

BATCH = 16
"""Answers handed on at a time: at most so many are lost in a crash."""


def answer(questions: Iterable[Question], known: Mapping[str, Scored], options: ClientOptions) -> Iterator[list[Call]]:
    """Ask a language model what is not known yet, each question once.

    The model is loaded only if there is something to ask. Counts `llm_calls`, `llm_cache_hits` and
    `llm_tokens`.

    Args:
        questions: neighbours share their beginning.
        known: earlier answers by key.
        options: which model.

    Yields:
        Up to `BATCH` new answers.
    """
    kind = client_kind(options)
    identity = kind.identity(options)
    asked = {question.key(identity): question for question in questions}
    missing = _by_prompt({key: question for key, question in asked.items() if key not in known})
    count("llm_calls", 0)
    count("llm_tokens", 0)
    count("llm_cache_hits", len(asked) - len(missing))
    if not missing:
        return
    client = kind.open(options)
    try:
        batch = []
        for key, question in tqdm(missing.items(), desc="asking the language model", disable=None):
            scored = client.score(question.prompt, question.continuations, shared=question.shared)
            count("llm_calls")
            count("llm_tokens", scored.tokens)
            batch.append(Call(key, scored))
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch
    finally:
        client.close()


def _by_prompt(questions: Mapping[str, Question]) -> dict[str, Question]:
    """Put questions with equal prompts side by side: a client reads the prompt once for all of them."""
    order: dict[str, int] = {}
    for question in questions.values():
        order.setdefault(question.prompt, len(order))
    return dict(sorted(questions.items(), key=lambda item: order[item[1].prompt]))
