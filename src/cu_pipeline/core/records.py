"""The rows of the persisted tables: their columns, in order, what each means and what it may hold."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import pandas as pd

from cu_pipeline.core.errors import Reason


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
    ZERO_SHOT = "zero_shot"


class Form(StrEnum):
    """What a text is written in; "" stands for no value."""

    SHA256 = "SHA-256 in hex"
    MOMENT = "ISO 8601"
    JSON_OBJECT = "a JSON object"
    JSON_LIST = "a JSON list"


@dataclass(frozen=True)
class Column:
    """What a column may hold.

    Attributes:
        kind: pandas' name of the type; `str` is text in a column of objects.
        filled: whether a text must not be "".
        missing: whether a number may be NaN.
        allowed: the only values; empty: any.
        least: of a number; None: any.
        most: of a number; None: any.
        form: what a text is written in.
        absent: what the column holds in a table of an earlier version, which lacks it; None: it is no such column.
    """

    kind: str
    filled: bool = False
    missing: bool = False
    allowed: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    form: Form | None = None
    absent: str | None = None


@dataclass(frozen=True)
class Table:
    """What a persisted table must be like.

    Attributes:
        columns: in order.
        key: columns that together name a row; no two rows have the same. Empty: rows may repeat.
        others: what columns beyond those may hold; None: there are none.
    """

    columns: dict[str, Column]
    key: tuple[str, ...] = ()
    others: Column | None = None


TEXT: Final = Column("str")
NAME: Final = Column("str", filled=True)
SHA256: Final = Column("str", form=Form.SHA256)
JSON_OBJECT: Final = Column("str", form=Form.JSON_OBJECT)
LEFT_OUT: Final = "left_out"
"""Of a clip that belongs to two splits: it is labelled and predicted, but neither learned from nor measured on."""

SPLIT: Final = Column("str", allowed=(*Split, LEFT_OUT))
KIND: Final = Column("str", allowed=tuple(AnnotatorKind))
FACT: Final = Column("float64", missing=True, least=0)
PROBABILITY: Final = Column("float64", least=0, most=1)
DOLLARS: Final = Column("float64", least=0)
COUNT: Final = Column("int64", least=0)
FLAG: Final = Column("bool")

CLIPS: Final[dict[str, Column]] = {
    "clip_id": NAME,
    "path": TEXT,  # relative to the project's root when inside it; "" for text only
    "text": TEXT,  # the caption, cleaned
    "raw_text": TEXT,  # the caption as the feed gave it
    "creator": TEXT,  # "" when unknown
    "posted_at": Column("str", form=Form.MOMENT),  # "" when unknown
    "lang": TEXT,  # BCP 47; "" when unknown
    "lang_source": Column("str", allowed=("", "feed", "identified")),  # who says so
    "media_sha256": SHA256,  # "" for text only
    "text_sha256": SHA256,  # "" for empty text
    "duration_s": FACT,  # NaN for text only, like all media facts below
    "width": FACT,
    "height": FACT,
    "fps": FACT,
    "codec": TEXT,
    "has_audio": FLAG,
    "bytes": COUNT,
    "group": NAME,  # the unit of the split: clips that share it share the split
    "split": SPLIT,
    "metadata": JSON_OBJECT,  # of the manifest's other columns
    "feed": Column("str", absent=""),  # that the clip came from, as `scope.feed_name` writes it; "" when unknown
}

DUPLICATES: Final[dict[str, Column]] = {
    "clip_id": NAME,  # of a clip that shows the same as another
    "duplicate_group": NAME,  # clip_id of the group's first clip
    "bits": Column("float64", least=0),  # distance from the group's nearest other clip; 0 for the same bytes
}

SPLITS: Final[dict[str, Column]] = {
    "key": NAME,  # a creator, content or caption that clips may share
    "division": NAME,  # of the shares and the salt
    "split": SPLIT,
    "since": Column("int64", least=1),  # how many runs had added something when the oldest part of its unit came
    "tested": FLAG,  # whether its unit holds clips that once were for testing
}

REJECTS: Final[dict[str, Column]] = {
    "clip_id": TEXT,
    "path": TEXT,
    "reason": Column("str", allowed=tuple(Reason)),
    "detail": TEXT,
}

ANNOTATIONS: Final[dict[str, Column]] = {
    "clip_id": NAME,
    "capability": NAME,
    "annotator": TEXT,
    "kind": KIND,
    "label": NAME,  # classes of a multi-label capability joined by "|", "none" for no class
    "probability": replace(PROBABILITY, missing=True),  # the annotator's confidence in `label`; NaN when not given
    "probabilities": JSON_OBJECT,  # class -> probability; "" when not given
    "price": DOLLARS,
    "version": TEXT,  # of the rule, prompt or model; "" for people
    # how a person's clip was chosen; "" when the feed gave the label
    "draw": Column("str", allowed=("", "random", "value")),
}

LEDGER: Final[dict[str, Column]] = {
    "key": NAME,  # hash of what was asked, of whom, and of the answer where it is new work
    "entered_at": Column("str", form=Form.MOMENT),  # when a run first saw it, UTC
    "clip_id": TEXT,  # "" for a language model's call about a caption that says nothing
    "capability": NAME,
    "kind": KIND,
    "annotator": TEXT,
    "version": TEXT,
    "label": TEXT,  # "" for a language model's call that gave none
    "probability": replace(PROBABILITY, missing=True),
    "price": DOLLARS,
    "tokens": COUNT,  # of a language model's call; 0 for others
    "draw": TEXT,
    # that a person's answer came in; it tells whether the answer is used. "" for the feed's labels and for machines
    "batch": Column("str", absent=""),
}

LABELS: Final[dict[str, Column]] = {
    "clip_id": NAME,
    "capability": NAME,
    "label": NAME,
    "probability": PROBABILITY,  # that `label` is right
    "probabilities": JSON_OBJECT,  # class -> probability
    "source": NAME,  # of the deciding annotations: their kind, or of several models of a kind which one
    "annotators": COUNT,
    "certified": FLAG,
    "price": DOLLARS,  # spent on this clip and capability
}

PREDICTIONS: Final[dict[str, Column]] = {
    "clip_id": NAME,
    "capability": NAME,
    "split": SPLIT,
    "label": NAME,
    "probability": PROBABILITY,
    "probabilities": JSON_OBJECT,  # class -> probability
    "model_version": NAME,
    "prediction_set": Column("str", form=Form.JSON_LIST, absent=""),  # classes that it may be; "": none are told
}

TABLES: Final[dict[str, Table]] = {
    "raw_manifest": Table({}, others=TEXT),
    "clips": Table(CLIPS, key=("clip_id",)),
    "duplicates": Table(DUPLICATES, key=("clip_id",)),
    "splits": Table(SPLITS, key=("key", "division")),
    "rejects": Table(REJECTS),
    "annotations": Table(ANNOTATIONS, key=("clip_id", "capability", "annotator")),
    "ledger": Table(LEDGER, key=("key",)),
    "labels": Table(LABELS, key=("clip_id", "capability")),
    "predictions": Table(PREDICTIONS, key=("clip_id", "capability")),
}
"""What a dataset's option `schema` in the catalog may name."""

_STORED: Final = {"str": "object"}


def table(rows: list[dict[str, object]] | pd.DataFrame, columns: dict[str, Column]) -> pd.DataFrame:
    """Bring `rows` to exactly the columns and types of a persisted table, also when there are no rows.

    Text that Arrow holds stays there.

    >>> table([], REJECTS).columns.tolist()
    ['clip_id', 'path', 'reason', 'detail']
    """
    frame = pd.DataFrame(rows, columns=list(columns))
    kept = {
        name for name, one in columns.items() if one.kind == "str" and isinstance(frame[name].dtype, pd.StringDtype)
    }
    kinds = {name: dtype(column) for name, column in columns.items() if name not in kept}
    return frame.astype({name: kind for name, kind in kinds.items() if frame[name].dtype != kind}, copy=False)


def blank(columns: dict[str, Column]) -> dict[str, float | str]:
    """Make a row of a table of which nothing is known yet.

    >>> blank({"text": TEXT, "fps": FACT, "bytes": COUNT, "has_audio": FLAG})
    {'text': '', 'fps': nan, 'bytes': 0, 'has_audio': False}
    """
    unknown: dict[str, float] = {"float64": float("nan"), "int64": 0, "bool": False}
    return {name: unknown.get(column.kind, "") for name, column in columns.items()}


def completed(frame: pd.DataFrame, columns: dict[str, Column]) -> pd.DataFrame:
    """Add to a table of an earlier version the columns that have come since.

    >>> completed(pd.DataFrame({"key": ["k"]}), {"key": NAME, "batch": LEDGER["batch"]}).to_dict("records")
    [{'key': 'k', 'batch': ''}]
    """
    since = {name: one.absent for name, one in columns.items() if one.absent is not None and name not in frame}
    return frame.assign(**since)


def dtype(column: Column) -> str:
    """Choose the pandas type that holds a column."""
    return _STORED.get(column.kind, column.kind)
