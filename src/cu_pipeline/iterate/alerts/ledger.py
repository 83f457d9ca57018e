"""Which alerts were sent, so that none is sent twice and a failed one is tried again."""

from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from cu_pipeline.core.json_lines import KeyedLog
from cu_pipeline.iterate.alerts.alert import Alert


class State(StrEnum):
    """What became of an alert on one way."""

    SENT = "sent"
    ALREADY = "already sent"
    FAILED = "failed"


class Sent(BaseModel):
    """What became of an alert on one way.

    Attributes:
        alert: the alert.
        channel: name of the way that it went.
        state: what became of it.
        attempts: that were made this time.
        error: of the last attempt; "": none.
        time: when it was tried.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    alert: Alert
    channel: str
    state: State
    attempts: int
    error: str = ""
    time: AwareDatetime

    @property
    def key(self) -> str:
        """What names it: an alert on one way."""
        return ledger_key(self.alert.id, self.channel)


def ledger_key(alert: str, channel: str) -> str:
    """What names an alert on one way.

    >>> ledger_key("look1/drift", "email")
    'email/look1/drift'
    """
    return f"{channel}/{alert}"


class AlertLedger(KeyedLog[Sent]):
    """What became of alerts, in a file that only grows; the last word counts."""

    remedy = "delete the file: alerts that are still to be told are sent once more"

    @staticmethod
    def encode(record: Sent) -> dict[str, Any]:
        """What stands in a line."""
        return record.model_dump(mode="json")

    @staticmethod
    def decode(line: dict[str, Any]) -> Sent:
        """What a line means."""
        return Sent.model_validate(line)
