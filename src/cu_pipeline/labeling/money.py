"""What was paid for labels: the one table that the log, `label_summary.json` and the report show.

Summed is the ledger: all that was ever paid, whatever became of it. Sums are rounded once, where they are finest, so
that any of them which is shown is the sum of the parts that are shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, fsum
from typing import Any, Final, Self

import pandas as pd

from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.sources.source import source_column, source_words

CENT: Final = 0.01
FINE: Final = 0.0001
"""US dollars to which sums are rounded where all of them together are under a dollar."""

_CELL: Final = ["capability", "source", "state", "is_new"]

NO_CLASS: Final = "that name no class"
NOT_USED_NOW: Final = "of models and prompts that are not used now"


@dataclass(frozen=True)
class MoneyRow:
    """What one source was paid for one capability.

    Attributes:
        capability: its name; "" where capabilities are added up.
        source: as `source_column` names it.
        entries: of the ledger.
        tokens: of language models' calls.
        exact_usd: US dollars, not rounded.
        usd: rounded, like all sums below.
        added_usd: of this, what was entered last.
        unused: what became of answers that are not used -> the part of `usd` for them.
    """

    capability: str
    source: str
    entries: int
    tokens: int
    exact_usd: float
    usd: float
    added_usd: float
    unused: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Money:
    """What was paid for labels.

    Attributes:
        rows: by capability and source.
        step_usd: US dollars to which sums are rounded: a cent, or `FINE`.
        added_at: when the last entries were made; "" for none.
    """

    rows: tuple[MoneyRow, ...] = ()
    step_usd: float = CENT
    added_at: str = ""

    @property
    def total(self) -> MoneyRow:
        """All rows added up."""
        return _added("", "", self.rows, self.step_usd)

    def by_source(self) -> list[MoneyRow]:
        """Add the capabilities up, the dearest source first."""
        sums = [
            _added("", source, [row for row in self.rows if row.source == source], self.step_usd)
            for source in sorted({row.source for row in self.rows})
        ]
        return sorted(sums, key=lambda row: -row.exact_usd)

    def exact_usd(self, capability: str) -> float:
        """What was paid for a capability, not rounded."""
        return fsum(row.exact_usd for row in self.rows if row.capability == capability)

    def words(self, usd: float, exact_usd: float | None = None) -> str:
        """Write a sum of this table.

        Args:
            usd: the rounded sum.
            exact_usd: the sum before rounding, where it is known, so that little is not taken for nothing.

        >>> Money().words(1234.5), Money(step_usd=FINE).words(0.0012), Money().words(0, 0.001)
        ('$1,234.50', '$0.0012', 'under $0.01')
        """
        places = 2 if self.step_usd == CENT else 4
        if usd == 0 and exact_usd:
            return f"under ${self.step_usd:.{places}f}"
        return f"${usd:,.{places}f}"

    def unused_words(self, row: MoneyRow) -> str:
        """Say which part of a row's money went to answers that are not used; "" for none.

        >>> Money().unused_words(MoneyRow("", "human", 9, 0, 3.0, 3.0, 0.0, {"sent back": 2.16}))
        'of which $2.16 for answers sent back'
        """
        parts = [f"{self.words(usd)} for answers {state}" for state, usd in row.unused.items() if usd]
        return f"of which {' and '.join(parts)}" if parts else ""

    def as_json(self) -> dict[str, Any]:
        """Write the table, its sums included, for a file."""
        total = self.total
        sums = {"usd": total.usd, "added_usd": total.added_usd, "unused": dict(total.unused)}
        rows = [vars(row) | {"unused": dict(row.unused)} for row in self.rows]
        return {"step_usd": self.step_usd, "added_at": self.added_at, "total": sums, "rows": rows}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        return cls(tuple(MoneyRow(**row) for row in record["rows"]), record["step_usd"], record["added_at"])


def money_table(ledger: pd.DataFrame, unused: Mapping[str, str], annotations: pd.DataFrame) -> Money:
    """Add up the ledger.

    Args:
        ledger: all that was ever paid.
        unused: batch -> what became of it, for those whose answers are not used.
        annotations: opinions that count now; answers of a language model that has no part in them are not used.
    """
    last = str(max(ledger["entered_at"].unique(), default=""))
    cells = ledger[["capability", "price", "tokens"]].assign(
        source=source_column(ledger), state=_states(ledger, unused, annotations), is_new=ledger["entered_at"] == last
    )
    sums = cells.groupby(_CELL, as_index=False).agg(
        usd=("price", fsum), entries=("price", "size"), tokens=("tokens", "sum")
    )
    return _rounded(sums, last)


def money_of_rows(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> Money:
    """Make the table of what earlier versions wrote: each capability's sums by source."""
    cells = []
    for capability, row in rows:
        parts = {state: (some["usd"], some["annotations"]) for state, some in row["unused"].items()}
        used = (
            row["usd"] - sum(usd for usd, _ in parts.values()),
            row["annotations"] - sum(n for _, n in parts.values()),
        )
        for state, (usd, entries) in ({"": used} | parts).items():
            tokens = row["tokens"] if state == "" else 0
            cells.append((capability, row["source"], state, False, usd, entries, tokens))
    return _rounded(pd.DataFrame(cells, columns=[*_CELL, "usd", "entries", "tokens"]), "")


def apportion(exact: Sequence[float], step: float) -> list[int]:
    """Round sums to whole steps so that they add up to their total, rounded (largest remainder, Hamilton's method).

    >>> apportion([0.004, 0.004, 0.012], 0.01)
    [1, 0, 1]
    >>> apportion([0.05, 0.001, 0.004], 0.01)
    [5, 0, 1]
    """
    steps = [one / step for one in exact]
    whole = [floor(one + 1e-6) for one in steps]
    total = floor(fsum(steps) + 0.5 + 1e-6)
    order = sorted(range(len(steps)), key=lambda place: whole[place] - steps[place])
    for place in order[: total - sum(whole)]:
        whole[place] += 1
    return whole


def money_messages(money: Money) -> list[str]:
    """Write the table for the log, a line for each capability and source, and the sum."""
    if not money.rows:
        return ["nothing was paid for labels so far"]
    lines = []
    for row in money.rows:
        unused = money.unused_words(row)
        tokens = f" ({row.tokens:,} tokens)" if row.tokens else ""
        lines.append(
            f"{row.capability}: paid {source_words(row.source)} {money.words(row.usd, row.exact_usd)} so far for "
            f"{row.entries:,} {'calls' if row.tokens else 'answers'}{tokens}{unused and ', '}{unused}"
        )
    total = money.total
    added = f"; {money.words(total.added_usd)} of it was entered last, at {money.added_at}"
    return [*lines, f"paid for labels so far: {money.words(total.usd, total.exact_usd)}{added}"]


def _states(ledger: pd.DataFrame, unused: Mapping[str, str], annotations: pd.DataFrame) -> "pd.Series[str]":
    """Say of each entry what became of an answer that is not used; "" for one that is."""
    of_batch = ledger["batch"].map(unused).fillna("")
    heard = ["capability", "annotator", "version"]
    current = pd.MultiIndex.from_frame(annotations[heard].fillna("").drop_duplicates())
    by_llm = ledger["kind"] == AnnotatorKind.LLM
    is_old = by_llm.to_numpy(dtype=bool, copy=True)
    is_old[is_old] = ~pd.MultiIndex.from_frame(ledger.loc[by_llm, heard].fillna("")).isin(current)
    names_none = by_llm & (ledger["clip_id"] != "") & (ledger["label"] == "")
    return of_batch.mask(is_old, NOT_USED_NOW).mask(names_none, NO_CLASS)


def _rounded(sums: pd.DataFrame, added_at: str) -> Money:
    """Round sums by `_CELL`, and add them up by capability and source."""
    step = CENT if fsum(sums["usd"]) >= 1 else FINE
    sums = sums.assign(units=apportion(sums["usd"].tolist(), step))
    return Money(
        tuple(_row(str(name), str(source), mine, step) for (name, source), mine in sums.groupby(_CELL[:2])),
        step,
        added_at,
    )


def _row(capability: str, source: str, sums: pd.DataFrame, step: float) -> MoneyRow:
    unused = sums[sums["state"] != ""].groupby("state")["units"].sum()
    return MoneyRow(
        capability,
        source,
        entries=int(sums["entries"].sum()),
        tokens=int(sums["tokens"].sum()),
        exact_usd=round(fsum(sums["usd"]), 9),
        usd=_usd(sums["units"].sum(), step),
        added_usd=_usd(sums.loc[sums["is_new"], "units"].sum(), step),
        unused={str(state): _usd(units, step) for state, units in unused.items()},
    )


def _usd(units: int, step: float) -> float:
    return round(int(units) * step, 4)


def _added(capability: str, source: str, rows: Sequence[MoneyRow], step: float) -> MoneyRow:
    states = sorted({state for row in rows for state in row.unused})
    return MoneyRow(
        capability,
        source,
        entries=sum(row.entries for row in rows),
        tokens=sum(row.tokens for row in rows),
        exact_usd=fsum(row.exact_usd for row in rows),
        usd=_sum((row.usd for row in rows), step),
        added_usd=_sum((row.added_usd for row in rows), step),
        unused={state: _sum((row.unused.get(state, 0.0) for row in rows), step) for state in states},
    )


def _sum(values: Iterable[float], step: float) -> float:
    return _usd(sum(round(value / step) for value in values), step)
