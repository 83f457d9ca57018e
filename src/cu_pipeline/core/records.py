"""The rows of the persisted tables: their columns, in order, and what each means."""

from enum import StrEnum
from typing import Final

import pandas as pd


class Split(StrEnum):
    """What a clip is used for. A clip never changes its split when data is added."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class AnnotatorKind(StrEnum):
    """Who holds an opinion on a clip."""

    HUMAN = "human"
    RULE = "rule"
    LLM = "llm"
    MODEL = "model"


CLIPS: Final[dict[str, str]] = {
    "clip_id": "str",
    "path": "str",  # relative to the project's root when inside it; "" for text only
    "text": "str",  # the caption, cleaned
    "raw_text": "str",  # the caption as the feed gave it
    "creator": "str",  # "" when unknown
    "posted_at": "str",  # ISO 8601; "" when unknown
    "lang": "str",  # BCP 47; "" when unknown
    "media_sha256": "str",  # "" for text only
    "text_sha256": "str",  # "" for empty text
    "duration_s": "float64",  # NaN for text only, like all media facts below
    "width": "float64",
    "height": "float64",
    "fps": "float64",
    "codec": "str",
    "has_audio": "bool",
    "bytes": "int64",
    "group": "str",  # the unit of the split: clips that share it share the split
    "split": "str",
    "metadata": "str",  # JSON object of the manifest's other columns
}

DUPLICATES: Final[dict[str, str]] = {
    "clip_id": "str",  # of a clip that shows the same as another
    "duplicate_group": "str",  # clip_id of the group's first clip
    "bits": "float64",  # distance from the group's nearest other clip; 0 for the same bytes
}

SPLITS: Final[dict[str, str]] = {
    "key": "str",  # a creator, content or caption that clips may share
    "division": "str",  # of the shares and the salt
    "split": "str",
    "since": "int64",  # how many runs had added something when the oldest part of its unit came
    "tested": "bool",  # whether its unit holds clips that once were for testing
}

REJECTS: Final[dict[str, str]] = {"clip_id": "str", "path": "str", "reason": "str", "detail": "str"}

ANNOTATIONS: Final[dict[str, str]] = {
    "clip_id": "str",
    "capability": "str",
    "annotator": "str",
    "kind": "str",  # AnnotatorKind
    "label": "str",  # classes of a multi-label capability joined by "|", "none" for no class
    "probability": "float64",  # the annotator's confidence in `label`; NaN when not given
    "probabilities": "str",  # JSON object class -> probability; "" when not given
    "price": "float64",  # US dollars
    "version": "str",  # of the rule, prompt or model; "" for people
}

LABELS: Final[dict[str, str]] = {
    "clip_id": "str",
    "capability": "str",
    "label": "str",
    "probability": "float64",  # that `label` is right
    "probabilities": "str",  # JSON object class -> probability
    "source": "str",  # AnnotatorKind of the deciding annotations
    "annotators": "int64",
    "certified": "bool",
    "price": "float64",  # US dollars spent on this clip and capability
}

PREDICTIONS: Final[dict[str, str]] = {
    "clip_id": "str",
    "capability": "str",
    "split": "str",
    "label": "str",
    "probability": "float64",
    "probabilities": "str",  # JSON object class -> probability
    "model_version": "str",
}


def table(rows: list[dict[str, object]] | pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """Give `rows` exactly the columns and types of a persisted table, also when there are no rows.

    >>> table([], REJECTS).columns.tolist()
    ['clip_id', 'path', 'reason', 'detail']
    """
    frame = pd.DataFrame(rows, columns=list(columns))
    return frame.astype({name: "object" if kind == "str" else kind for name, kind in columns.items()})
