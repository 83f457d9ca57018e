"""Who was champion when: MLflow keeps no history of its aliases."""

import json
import os
from datetime import UTC, datetime

from cu_pipeline.core.paths import project_root


def append_to_ledger(ledger: str, capability: str, before: str | None, after: str, reason: str) -> None:
    """Note a change of champion in an append-only file of JSON lines.

    Args:
        ledger: the file, relative to the project's root.
        capability: whose champion changed.
        before: registry version of the former champion, if there was one.
        after: registry version of the new one.
        reason: for people who read the ledger.
    """
    entry = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "capability": capability,
        "from": before,
        "to": after,
        "reason": reason,
    }
    path = project_root() / ledger
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry, ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
