"""What `kedro drift` says."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.reports.drift_history import PastLook
from cu_pipeline.reports.drift_told import DriftTold, QualityTold

_WIDEST = 60
_MOST_TESTS = 5
_TITLES: tuple[str, ...] = ("time (UTC)", "decision", "clips", "windows", "alpha", "causes", "estimated quality")


def decision_words(told: DriftTold) -> Iterator[str]:
    """Tell a decision: first what stands in its way, then the decision, its causes, and what it rests on."""
    for notice in told.notices:
        yield _plain(f"Notice: {notice}")
    seen = f", with answers until {_moment(told.look.time)}" if told.look.time else ""
    yield f"Decision: {told.verdict}{seen}"
    if told.decision == "no_drift" and not told.all_clear:
        yield "This is no all-clear: see the notices."
    yield _plain(told.summary)
    for cause in told.causes:
        since = f", since {_moment(cause.since)}" if cause.since and "since " not in cause.in_words else ""
        helps = "training may help" if cause.trains else "training does not help"
        yield _plain(f"Cause: {cause.in_words} ({cause.share:.0%} of the clips{since}; {helps})")
    for test in told.drifted[:_MOST_TESTS]:
        yield _plain(f"Test: {told.title(test.name)}: {test.in_words} (adjusted p {test.p_adjusted:.2g})")
    if len(told.drifted) > _MOST_TESTS:
        yield f"… and {len(told.drifted) - _MOST_TESTS} more tests declare drift"
    for name, one in told.quality.items():
        yield _plain(f"Estimated quality of {name}: {_quality(one)}")


def history_words(looks: Sequence[PastLook]) -> Iterator[str]:
    """Tell looks, one line each, below a line that names the columns."""
    if not looks:
        yield "There is no look in the history yet. Remedy: make run PIPELINES=monitor"
        return
    rows = [_TITLES, *map(_row, looks)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(look: PastLook) -> tuple[str, ...]:
    causes = _plain("; ".join(look.causes)) or "–"
    windows = ", ".join(f"{window.name.replace('_', ' ')} {window.clips:,}" for window in look.windows)
    quality = _plain(", ".join(f"{name} {_accuracy(one)}" for name, one in look.quality.items()))
    verdict = look.verdict if look.all_clear or look.decision != "no_drift" else f"{look.verdict}, no all-clear"
    cut = causes if len(causes) <= _WIDEST else f"{causes[:_WIDEST]}…"
    return (_moment(look.time), verdict, f"{look.clips:,}", windows or "–", f"{look.alpha:.4f}", cut, quality or "–")


def _quality(one: QualityTold) -> str:
    return _accuracy(one) + (f": {one.why}" if one.why and not one.trusted else "")


def _accuracy(one: QualityTold) -> str:
    if one.accuracy is None:
        return "none"
    ends = f" [{one.low:.0%}, {one.high:.0%}]" if one.low is not None and one.high is not None else ""
    return f"{one.accuracy:.0%}{ends}{'' if one.trusted else ', not to be trusted'}"


def _moment(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"


def _plain(text: str) -> str:
    """A text without what a terminal obeys: causes quote captions."""
    return clean_name(text)
