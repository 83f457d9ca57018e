"""A language model's answers become annotations, whose prices add up to what was paid."""

import logging
from collections.abc import Mapping, Sequence

import pandas as pd

from cu_pipeline.core.decision import as_json, decide
from cu_pipeline.core.records import ANNOTATIONS, AnnotatorKind, table
from cu_pipeline.llm.clients.protocol import Answer
from cu_pipeline.llm.labels.questions import Inquiry
from cu_pipeline.llm.labels.recipes import Background
from cu_pipeline.llm.methods.interpret import interpret

_log = logging.getLogger(__name__)


def annotate(
    inquiries: Sequence[Inquiry], known: Mapping[str, Answer], backgrounds: Mapping[str, Background]
) -> pd.DataFrame:
    """Turn language models' answers into annotations.

    A clip whose question got no answer gets no annotation. What was paid for it and for the content-free
    questions is shared evenly by the annotated clips, so that the prices add up to all that was paid.

    Args:
        inquiries: what was asked.
        known: answers by key.
        backgrounds: how common each class is, by capability.

    Returns:
        A table with the columns of `records.ANNOTATIONS`.
    """
    rows = [row for one in inquiries for row in _rows(one, known, backgrounds[one.capability])]
    return table(rows, ANNOTATIONS)


def _rows(inquiry: Inquiry, known: Mapping[str, Answer], background: Background) -> list[dict[str, object]]:
    capability, model = background.task.capability, inquiry.model
    said = interpret(inquiry.plan, known, model.identity, background.priors)
    answered = [clip for clip, is_answered in zip(inquiry.clip_ids, said.answered, strict=True) if is_answered]
    if missing := len(inquiry.clip_ids) - len(answered):
        _log.warning(
            "%s: %d of %d clips got no usable answer of the language model (%d named no class) and no annotation by it",
            inquiry.capability,
            missing,
            len(inquiry.clip_ids),
            said.unparsed,
        )
    if not answered:
        return []
    probabilities = said.probabilities[said.answered]
    decided = decide(probabilities, capability, clip_ids=answered)
    return [
        {
            "clip_id": clip_id,
            "capability": inquiry.capability,
            "annotator": model.name,
            "kind": AnnotatorKind.LLM.value,
            "label": decided.labels[row],
            "probability": round(float(decided.probability[row]), 6),
            "probabilities": as_json(probabilities[row], capability.classes),
            "price": price,
            "version": inquiry.version(),
            "draw": "",
        }
        for row, (clip_id, price) in enumerate(_prices(inquiry, answered, known).items())
    ]


def _prices(inquiry: Inquiry, answered: Sequence[str], known: Mapping[str, Answer]) -> dict[str, float]:
    """Split what was paid over the annotated clips, in US dollars: each answer's own price and an even share."""
    prices = inquiry.model.client.chosen
    paid = {question.key(inquiry.model.identity) for question in inquiry.questions} & set(known)
    total = sum(prices.price(known[key].tokens, known[key].output_tokens) for key in sorted(paid))
    replies = {clip: known[inquiry.keys[clip]] for clip in answered}
    own = {clip: prices.price(reply.tokens, reply.output_tokens) for clip, reply in replies.items()}
    share = (total - sum(own.values())) / len(own)
    return {clip: round(price + share, 9) for clip, price in own.items()}
