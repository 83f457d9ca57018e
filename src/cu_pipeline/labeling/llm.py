import json
from collections.abc import Mapping, Sequence

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
from cu_pipeline.prompting.client import Scored
from cu_pipeline.prompting.clients import client_kind


def annotate(
    inquiries: Sequence[Inquiry],
    known: Mapping[str, Scored],
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    capabilities: Mapping[str, Capability],
    options: LlmOptions,
) -> pd.DataFrame:
    """Turn a language model's answers into annotations.

    The content-free questions' price is shared evenly by the clips, so that the prices add up to the bill.

    Args:
        inquiries: one a capability.
        known: answers by key; all questions are in it.
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
        nothing = [known[question.key(identity)] for question in inquiry.content_free]
        answers = [known[question.key(identity)] for question in inquiry.clips.values()]
        priors = class_priors(clips, annotations, name, capability)
        probabilities = class_probabilities(_logprobs(answers), _logprobs(nothing), priors, capability.kind)
        overhead = sum(one.tokens for one in nothing) / len(answers)
        labels, certainty = decide(probabilities, capability, list(inquiry.clips))
        rows += [
            {
                "clip_id": clip_id,
                "capability": name,
                "annotator": options.client.model,
                "kind": AnnotatorKind.LLM.value,
                "label": labels[row],
                "probability": round(float(certainty[row]), 6),
                "probabilities": as_json(probabilities[row], capability.classes),
                "price": round((answers[row].tokens + overhead) * options.price_per_1000_tokens / 1000, 9),
                "version": f"prompt@{inquiry.prompt_version} {identity}",
                "draw": "",
            }
            for row, clip_id in enumerate(inquiry.clips)
        ]
    return table(rows, ANNOTATIONS)


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


def _logprobs(answers: Sequence[Scored]) -> NDArray[np.float64]:
    return np.array([one.logprobs for one in answers])
