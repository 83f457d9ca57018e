"""The service's log: rows of answers about erased clips with their shadows and feedback, and lines that wait."""

import json
from collections.abc import Iterator, Sequence
from functools import partial

from cu_pipeline.erasure.identities import Identities, strings_of
from cu_pipeline.erasure.project import Place, Project, Wanted
from cu_pipeline.inference.prediction_log import Place as LogPlace
from cu_pipeline.inference.prediction_log.erasing import count_requests, erase_requests, filter_spool, read_clips


def find(project: Project, wanted: Wanted) -> Iterator[Place]:
    """The requests about erased clips, of each log."""
    for log in project.prediction_logs:
        where = LogPlace.of(log)
        if requests := _requests(log, wanted.identities):
            count = count_requests(log, requests) or len(requests)
            size = where.file.stat().st_size if where.file and where.file.is_file() else 0
            yield Place(f"{where.shown}: answers, shadows, feedback", count, size, "removed",
                        partial(_remove, log, wanted.identities, requests))  # fmt: skip


def _requests(log: str, wanted: Identities) -> set[str]:
    rows = read_clips(log)
    found: set[str] = set()
    for name in ("request_id", "clip_id", "creator", "media_sha256", "text_sha256"):
        touched = wanted.touched((row[name] for row in rows if row[name]), name)
        found |= {row["request_id"] for row in rows if row[name] in touched and _theirs(row, name)}
    return found


def _theirs(row: dict[str, str], name: str) -> bool:
    """A caption's hash says whose clip it is where there are no media."""
    return name != "text_sha256" or not row["media_sha256"]


def _remove(place: str, wanted: Identities, requests: set[str]) -> None:
    filter_spool(place, partial(_kept, wanted, requests))
    erase_requests(place, requests)


def _kept(wanted: Identities, requests: set[str], lines: Sequence[bytes]) -> list[bytes]:
    kept = []
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            kept.append(line)
            continue
        told = any(wanted.touched([value], name) for name, value in strings_of(record))
        if not told and str(record.get("request_id", "")) not in requests:
            kept.append(line)
    return kept
