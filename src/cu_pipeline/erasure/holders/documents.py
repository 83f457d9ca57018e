"""All other files: tables, logs of records, JSON, pages. Ledgers keep their rows under another name."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from cu_pipeline.erasure.project import Place, Project, Wanted
from cu_pipeline.erasure.rewriting import SQLITE, replace_file, rewritten
from cu_pipeline.labeling.ledger import call_key
from cu_pipeline.llm.clients.call_log import CallLog
from cu_pipeline.models.bundle import CONFIG

LEDGERS: Final = (
    "ledger", "llm_calls", "gate_tests", "calibration_tests", "drift_looks", "promotions",
)  # fmt: skip
"""Datasets whose sums need every row: what was paid, tests that were made. Their rows stay, under a keyed hash."""

_LEDGER_FILES: Final = ("iterations.jsonl", "iterate_verdicts.jsonl", "alerts.jsonl", "snapshots.jsonl", "dvc.lock")
_LARGEST: Final = 2**31
_NO_TEXT: Final = frozenset({".mp4", ".mov", ".webm", ".mkv", ".png", ".jpg", ".jpeg", ".pyc", ".onnx", ".woff2"})


def find(project: Project, wanted: Wanted) -> Iterator[Place]:
    """Files that tell of an erased clip, but for databases, media, and parts of feature stores."""
    wanted = replace(wanted, pseudonyms=replace(wanted.pseudonyms, entries=_entries(project, wanted)))
    for path in project.stored():
        if path.suffix.lower() in _NO_TEXT or path.stat().st_size > _LARGEST or _is_part(path):
            continue
        content = path.read_bytes()
        if content.startswith(SQLITE) or path.suffix in {".db-wal", ".db-shm"}:
            continue
        kept = is_ledger(project, path)
        done = rewritten(content, path.suffix, wanted.identities, wanted.pseudonyms if kept else None)
        if done.count:
            what = "renamed" if kept else "removed" if done.content is None else "rewritten"
            yield Place(project.name(path), done.count, len(content), what, partial(_rewrite, path, wanted, kept))


def is_ledger(project: Project, path: Path) -> bool:
    """Whether a file's rows stay under another name."""
    ledgers = [project.place(name) for name in LEDGERS if name in project.files]
    return path.name in _LEDGER_FILES or any(path.is_relative_to(one) for one in ledgers)


def _entries(project: Project, wanted: Wanted) -> dict[str, str]:
    """What the ledger's entries of calls are called under the calls' pseudonyms: else they would be entered again."""
    if "llm_calls" not in project.files:
        return {}
    names = {}
    for payment in CallLog(project.place("llm_calls")).payments():
        if payment.purpose.clip_id in wanted.identities.clips:
            call, _, number = payment.key.rpartition("-")
            names[call_key(payment.key)] = call_key(f"{wanted.pseudonyms.of(call)}-{number}")
    return names


def _is_part(path: Path) -> bool:
    """Whether a file is one of a feature store or a bundle, which have holders of their own."""
    return (path.parent / CONFIG).is_file() or (
        path.name.startswith("part-") and (path.parent / "extractor.json").is_file()
    )


def _rewrite(path: Path, wanted: Wanted, kept: bool) -> None:
    """Read it once more: what was found is not held in memory for a whole project."""
    if path.exists():
        done = rewritten(path.read_bytes(), path.suffix, wanted.identities, wanted.pseudonyms if kept else None)
        replace_file(path, done.content)
