import json
import logging
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.records import ANNOTATIONS, AnnotatorKind, table
from cu_pipeline.labeling.decide import decide
from cu_pipeline.labeling.inquiry import Inquiry
from cu_pipeline.labeling.options import LlmOptions
from cu_pipeline.labeling.priors import class_priors
from cu_pipeline.prompting.calibration import calibrated
from cu_pipeline.prompting.client import Answer, Scored
from cu_pipeline.prompting.clients import client_kind
from cu_pipeline.prompting.question import Question

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
        nothing = _scored({str(place): one for place, one in enumerate(inquiry.content_free)}, known, identity)
        answers = _scored(inquiry.clips, known, identity)
        _report_unanswered(name, len(inquiry.clips) - len(answers), bool(nothing))
        if not answers or not nothing:
            continue
        priors = class_priors(clips, annotations, name, capability)
        probabilities = class_probabilities(
            _logprobs(answers.values()), _logprobs(nothing.values()), priors, capability.kind
        )
        labels, certainty = decide(probabilities, capability, list(answers))
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
                "version": f"prompt@{inquiry.prompt_version} {identity}",
                "draw": "",
            }
            for row, (clip_id, price) in enumerate(_prices(inquiry, answers, known, identity, options).items())
        ]
    return table(rows, ANNOTATIONS)


def _scored(questions: Mapping[str, Question], known: Mapping[str, Answer], identity: str) -> dict[str, Scored]:
    replies = {name: known.get(question.key(identity)) for name, question in questions.items()}
    return {name: reply for name, reply in replies.items() if isinstance(reply, Scored)}


def _report_unanswered(capability: str, clips: int, calibrated_by_any: bool) -> None:
    if clips:
        _log.warning("%s: %d clips got no answer of the language model and no annotation by it", capability, clips)
    if not calibrated_by_any:
        _log.warning("%s: no caption that says nothing got an answer, so nothing is labelled", capability)


def _prices(
    inquiry: Inquiry,
    answers: Mapping[str, Scored],
    known: Mapping[str, Answer],
    identity: str,
    options: LlmOptions,
) -> dict[str, float]:
    """Give each annotated clip's price in US dollars: its own answer's and an even share of all other cost."""
    model = options.client.chosen
    paid = {question.key(identity) for question in inquiry.questions} & set(known)
    total = sum(model.price(known[key].tokens, known[key].output_tokens) for key in sorted(paid))
    own = {clip: model.price(reply.tokens, reply.output_tokens) for clip, reply in answers.items()}
    share = (total - sum(own.values())) / len(own)
    return {clip: round(price + share, 9) for clip, price in own.items()}


def class_probabilities(
    clips: NDArray[np.float64], content_free: NDArray[np.float64], priors: NDArray[np.float64], kind: Kind
) -> NDArray[np.float64]:
    """Give the probability of each class for each clip.

    Calibration by content-free captions makes all answers equally likely beforehand; the prior says how
    common they are. A class of a multi-label capability is weighed against the contrast alone.

    Args:
        clips: (n, answers) log-probabilities: of the classes, then of the contrast if `kind` is multi.
        content_free: (m, answers) likewise.
        priors: (classes,) in (0, 1).
        kind: of the capability.

    Returns:
        (n, classes).
    """
    if kind is Kind.SINGLE:
        return _with_prior(calibrated(clips, content_free), priors)
    contrast = len(priors)
    against = [
        _with_prior(
            calibrated(clips[:, [place, contrast]], content_free[:, [place, contrast]]), np.array([prior, 1 - prior])
        )[:, 0]
        for place, prior in enumerate(priors)
    ]
    return np.column_stack(against)


def as_json(probabilities: NDArray[np.float64], classes: Sequence[str]) -> str:
    """Write the probabilities of one clip, (classes,), for a table."""
    rounded = {name: round(float(value), 6) for name, value in zip(classes, probabilities, strict=True)}
    return json.dumps(rounded, ensure_ascii=False)


def _with_prior(even: NDArray[np.float64], priors: NDArray[np.float64]) -> NDArray[np.float64]:
    joint = even * priors
    return joint / joint.sum(axis=1, keepdims=True)


def _logprobs(answers: Iterable[Scored]) -> NDArray[np.float64]:
    return np.array([one.logprobs for one in answers])
