import json
import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.decide import decide
from cu_pipeline.core.records import ANNOTATIONS, AnnotatorKind, table
from cu_pipeline.labeling.options import LlmOptions
from cu_pipeline.labeling.priors import class_priors
from cu_pipeline.llm.clients.dispatch import client_kind
from cu_pipeline.llm.clients.protocol import Answer
from cu_pipeline.llm.labels.questions import Inquiry
from cu_pipeline.llm.methods.interpret import interpret

_log = logging.getLogger(__name__)


def annotate(
    inquiries: Sequence[Inquiry],
    known: Mapping[str, Answer],
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    capabilities: Mapping[str, Capability],
    options: LlmOptions,
) -> pd.DataFrame:
    """Turn a language model's answers into annotations.

    A clip whose question got no answer gets no annotation. What was paid for it and for the content-free
    questions is shared evenly by the annotated clips, so that the prices add up to the bill.

    Args:
        inquiries: one a capability.
        known: answers by key.
        clips: the table of usable clips.
        annotations: opinions from the feed, which say how common each class is.
        capabilities: the active ones.
        options: the model and its price.

    Returns:
        A table with the columns of `records.ANNOTATIONS`.
    """
    identity = client_kind(options.client).identity(options.client)
    rows: list[dict[str, object]] = []
    for inquiry in inquiries:
        name, capability = inquiry.capability, capabilities[inquiry.capability]
        priors = class_priors(clips, annotations, name, capability)
        reading = interpret(inquiry.plan, known, identity, priors)
        answered = [clip for clip, is_answered in zip(inquiry.clip_ids, reading.answered, strict=True) if is_answered]
        _report_unanswered(name, len(inquiry.clip_ids) - len(answered), len(inquiry.clip_ids), reading.unparsed)
        if not answered:
            continue
        probabilities = reading.probabilities[reading.answered]
        labels, certainty = decide(probabilities, capability, answered)
        rows += [
            {
                "clip_id": clip_id,
                "capability": name,
                "annotator": options.client.chosen.model,
                "kind": AnnotatorKind.LLM.value,
                "label": labels[row],
                "probability": round(float(certainty[row]), 6),
                "probabilities": as_json(probabilities[row], capability.classes),
                "price": price,
                "version": inquiry.version(identity),
                "draw": "",
            }
            for row, (clip_id, price) in enumerate(_prices(inquiry, answered, known, identity, options).items())
        ]
    return table(rows, ANNOTATIONS)


def _report_unanswered(capability: str, missing: int, clips: int, unparsed: int) -> None:
    if missing:
        _log.warning(
            "%s: %d of %d clips got no usable answer of the language model (%d named no class) and no annotation by it",
            capability,
            missing,
            clips,
            unparsed,
        )


def _prices(
    inquiry: Inquiry,
    answered: Sequence[str],
    known: Mapping[str, Answer],
    identity: str,
    options: LlmOptions,
) -> dict[str, float]:
    """Give each annotated clip's price in US dollars: its own answer's and an even share of all other cost."""
    model = options.client.chosen
    paid = {question.key(identity) for question in inquiry.questions} & set(known)
    total = sum(model.price(known[key].tokens, known[key].output_tokens) for key in sorted(paid))
    replies = {clip: known[inquiry.clips[clip].key(identity)] for clip in answered}
    own = {clip: model.price(reply.tokens, reply.output_tokens) for clip, reply in replies.items()}
    share = (total - sum(own.values())) / len(own)
    return {clip: round(price + share, 9) for clip, price in own.items()}


def as_json(probabilities: NDArray[np.float64], classes: Sequence[str]) -> str:
    """Write the probabilities of one clip, (classes,), for a table."""
    rounded = {name: round(float(value), 6) for name, value in zip(classes, probabilities, strict=True)}
    return json.dumps(rounded, ensure_ascii=False)
