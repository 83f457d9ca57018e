"""What the service answered, kept: a spool on this machine's disk, then a database.

An answer is one line of a spool file before it is sent, so that a killed process loses none of it. A thread
moves the lines into SQLite beside the spool, or into PostgreSQL, whenever the database takes them.
"""

from cu_pipeline.inference.prediction_log.log import PredictionLog
from cu_pipeline.inference.prediction_log.options import Captions, LogOptions
from cu_pipeline.inference.prediction_log.place import Place
from cu_pipeline.inference.prediction_log.reading import (
    ReadLog,
    holds_records,
    oldest_of_latest,
    read_feedback,
    read_latest,
    read_log,
    read_refusals,
    read_shadows,
    scan_log,
)
from cu_pipeline.inference.prediction_log.reading_by_id import read_answers, read_new_feedback
from cu_pipeline.inference.prediction_log.records import (
    FeedbackRecord,
    PredictionRecord,
    RefusalRecord,
    ShadowRecord,
    decode_embedding,
    encode_embedding,
)

__all__ = [
    "Captions",
    "FeedbackRecord",
    "LogOptions",
    "Place",
    "PredictionLog",
    "PredictionRecord",
    "ReadLog",
    "RefusalRecord",
    "ShadowRecord",
    "decode_embedding",
    "encode_embedding",
    "holds_records",
    "oldest_of_latest",
    "read_answers",
    "read_feedback",
    "read_latest",
    "read_log",
    "read_new_feedback",
    "read_refusals",
    "read_shadows",
    "scan_log",
]
