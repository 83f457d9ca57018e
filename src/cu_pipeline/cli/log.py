"""`kedro log`: what the service answered, and what of it goes."""

import json
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from cu_pipeline.cli.foreseen import told_in_words

if TYPE_CHECKING:
    from cu_pipeline.inference.prediction_log import PredictionRecord

_PLACE = click.option(
    "--log",
    "place",
    default=None,
    help="Folder or database [default: CU_PIPELINE_PREDICTION_LOG, or the project's]",
)
_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


@click.group("log")
def log() -> None:
    """Look at the service's prediction log, and remove old records."""


@log.command("show")
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, help="Answers to show.")
@click.option("--since", type=click.DateTime(_MOMENTS), help="Only answers of this moment (UTC) or later.")
@click.option("--json", "as_json", is_flag=True, help="Whole records, one JSON object a line, without embeddings.")
@_PLACE
def show(*, last: int, since: datetime | None, as_json: bool, place: str | None) -> None:
    """Show the last answers, oldest first, and what people said of them."""
    with told_in_words():
        from cu_pipeline.inference.prediction_log import read_feedback, scan_log
        from cu_pipeline.inference.prediction_log.place import default_place

        where, start = place or default_place(), _utc(since)
        scan = scan_log(where, since=start, replays=True)
        shown = deque(scan, maxlen=last)
        said = {(one.request_id, one.capability): one.label for one in read_feedback(where)}
    if as_json:
        for record in shown:
            click.echo(record.model_dump_json(exclude={"embedding"}))
        return
    for record in shown:
        click.echo(_told(record, said))
    click.echo(f"answers shown: {len(shown):,}; sampled out: {scan.skipped:,}; damaged lines or rows: {scan.invalid:,}")


@log.command("purge")
@click.option("--before", required=True, type=click.DateTime(_MOMENTS), help="Remove what is older (UTC).")
@click.option("--yes", is_flag=True, help="Remove it. Without this, nothing is removed.")
@_PLACE
def purge(*, before: datetime, yes: bool, place: str | None) -> None:
    """Remove old records: answers, shadows and feedback.

    The service does so by itself after CU_PIPELINE_LOG_RETENTION_DAYS.
    """
    with told_in_words():
        from cu_pipeline.inference.prediction_log.place import default_place
        from cu_pipeline.inference.prediction_log.purging import count_before, purge_before

        where, limit = place or default_place(), before.replace(tzinfo=UTC)
        found = purge_before(where, limit) if yes else count_before(where, limit)
    click.echo(f"removed {found:,} records" if yes else f"{found:,} records would go. Remove them: add --yes")


def _told(record: "PredictionRecord", said: Mapping[tuple[str, str], str]) -> str:
    answers = [_answer(record, name, said) for name in record.versions]
    named = [f"clip {json.dumps(record.clip_id, ensure_ascii=False)}"] if record.clip_id else []
    marks = [*named, *(["replay"] if record.replay else []), *answers]
    return f"{record.time.astimezone(UTC):%Y-%m-%d %H:%M:%S} {record.request_id}  {'  '.join(marks)}"


def _answer(record: "PredictionRecord", capability: str, said: Mapping[tuple[str, str], str]) -> str:
    if capability not in record.labels:
        return f"{capability}: does not apply"
    from cu_pipeline.core.decision import confidence

    label = record.labels[capability]
    sure = confidence(label, record.probabilities[capability])
    corrected = said.get((record.request_id, capability))
    role = " of the challenger" if record.roles.get(capability) == "challenger" else ""
    told = f"{capability}: {label} {sure:.2f} by {record.versions[capability]}{role}"
    return told if corrected is None else f"{told}, people say {corrected}"


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
