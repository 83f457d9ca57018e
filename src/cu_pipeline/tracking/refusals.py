"""Challengers that an iteration keeps from serving, entered into the ledger of promotions."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.tracking.promotions import Promotion, of_capability, taken_back


def refuse(ledger: Path, challengers: Mapping[str, tuple[str | None, str]], reason: str) -> list[str]:
    """Have the gate promote none of some challengers by itself; `kedro models promote` still does.

    One that is refused already is not entered again, so that a killed process may be repeated.

    Args:
        ledger: file of the ledger of promotions.
        challengers: capability -> versions of the champion, or None, and of the challenger.
        reason: in words.

    Returns:
        The capabilities that were entered.
    """
    known = [Promotion.from_json(json.loads(line)) for line in read_lines(ledger)]
    entries = [
        replace(Promotion.now(name, (champion, champion), "iterate", reason), refused=challenger)
        for name, (champion, challenger) in challengers.items()
        if challenger not in taken_back(of_capability(known, name))
    ]
    append_lines(ledger, (json.dumps(one.as_json(), sort_keys=True, ensure_ascii=False) for one in entries))
    return [one.capability for one in entries]
