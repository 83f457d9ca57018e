from enum import StrEnum
from typing import Final

from pydantic import Field

from cu_pipeline.core.options import Options, Share

MIB: Final = 2**20


class Captions(StrEnum):
    """What the log keeps of captions, beside the hash that finds a clip again."""

    DROP = "drop"
    HASH = "hash"
    KEEP = "keep"


class LogOptions(Options):
    """How the prediction log keeps what it is told.

    Attributes:
        retention_days: records older than this are removed in the background.
        sample: share of the answers whose record is kept, chosen by a hash of the request's id. Of the others only
            the request's id and time are.
        captions: what is kept of captions: nothing, their SHA-256, or their text.
        fsync: put every record on the disk before its request is answered. Without it a record outlives the
            process from then on, and the machine's loss of power a few seconds later.
        spool_bytes: how large the spool may grow while the database is away; records beyond it are lost, counted and
            told of.
        spool: folder in which each log has one for its spool; "": beside the database's file, or where it is a
            server's, in the project's data.
        flush_s: seconds between two moves of the spool into the database.
    """

    retention_days: int = Field(default=90, ge=1, le=36_500)
    sample: Share = 1.0
    captions: Captions = Captions.DROP
    fsync: bool = False
    spool_bytes: int = Field(default=1024 * MIB, ge=1)
    spool: str = ""
    flush_s: float = Field(default=0.5, gt=0, le=60)
