"""Finding out everything that a clip or a creator is known by, from all tables that tell of it."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from cu_pipeline.core.caption_text import clean_caption, clean_name
from cu_pipeline.core.errors import BadClipError, StoreError
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.json_lines import read_lines
from cu_pipeline.dedup.frame_hashes import hash_key
from cu_pipeline.erasure.identities import Identities, content_names
from cu_pipeline.erasure.project import Project
from cu_pipeline.ingest.capture import CAPTURES
from cu_pipeline.ingest.capture_store import CaptureStore
from cu_pipeline.ingest.probing import probe_key

CAPTURED: Final = "capture-"
"""What ids begin with that captures give to contents without one."""

COLUMNS: Final = ("clip_id", "creator", "path", "text", "raw_text", "media_sha256", "text_sha256", "content")


@dataclass(frozen=True)
class Found:
    """What was found out.

    Attributes:
        identities: what is to be erased.
        unknown: asked for, and in no table.
        copies: clips of others with the same media: id, creator.
        mentioned: how many other clips name a creator in what they say, which stays theirs.
    """

    identities: Identities
    unknown: tuple[str, ...] = ()
    copies: tuple[tuple[str, str], ...] = ()
    mentioned: int = 0


def find_subjects(
    project: Project, clips: Iterable[str], creators: Iterable[str], *, with_copies: bool = False
) -> Found:
    """Find what clips and creators are known by.

    Args:
        project: that knows them.
        clips: ids.
        creators: names.
        with_copies: clips of others with the same media are erased too.
    """
    asked, names = set(clips), {clean_name(name) for name in creators}
    table = _known(project)
    of_creator = table["creator"].map(clean_name).isin(names)
    ids = asked | set(table.loc[of_creator, "clip_id"]) - _shared(table[~of_creator]) - {""}
    mine = of_creator | table["clip_id"].isin(ids)
    copies = table[~mine & table["media_sha256"].isin(set(table.loc[mine, "media_sha256"]) - {""})]
    if with_copies and len(copies):
        ids |= set(copies["clip_id"])
        mine |= table["clip_id"].isin(ids)
        copies = copies.iloc[:0]
    told = {clean_name(name) for name in table["creator"]} | set(table["clip_id"])
    mentioned = sum(any(name in text for name in names if name) for text in set(table.loc[~mine, "text"]) if text)
    raw = set(table.loc[of_creator, "creator"]) - {""}
    return Found(
        _identities(project, table, mine, ids, names | raw),
        tuple(sorted((asked | names) - told)),
        _named(copies),
        mentioned,
    )


def _shared(others: pd.DataFrame) -> set[str]:
    """Ids of others: captures call a content by one id, whoever sent it."""
    captured = others["clip_id"].str.startswith(CAPTURED)
    return set(others.loc[(others["creator"] != "") | captured, "clip_id"])


def _named(copies: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    """Id and creator of each, those of the feed where it has them."""
    found = {(str(one), str(who)) for one, who in copies[["clip_id", "creator"]].to_numpy() if one}
    return tuple(sorted({pair for pair in found if not pair[0].startswith(CAPTURED)} or found))


def find_older(project: Project, before: pd.Timestamp) -> tuple[list[str], int]:
    """List the clips of the feed that were posted before a moment, and count those whose date nobody tells."""
    path = project.place("clips")
    if not path.is_file():
        return [], 0
    clips = pd.read_parquet(path, columns=["clip_id", "posted_at"])
    told = clips["posted_at"].where(clips["posted_at"] != "")
    posted = pd.to_datetime(told, utc=True, errors="coerce", format="ISO8601")
    return sorted(clips.loc[posted < before, "clip_id"]), int(posted.isna().sum())


def _identities(
    project: Project, table: pd.DataFrame, mine: "pd.Series[bool]", ids: set[str], names: set[str]
) -> Identities:
    own, others = table[mine], table[~mine]
    media = (set(own["media_sha256"]) - set(others["media_sha256"])) - {""}
    texts = (set(own["text_sha256"]) - set(others["text_sha256"])) - {""}
    said = {column: set(own[column]) - set(others[column]) for column in ("text", "raw_text")}
    captions = {one.strip() for found in said.values() for one in found if one.strip()}
    pairs = set(zip(own["media_sha256"], own["text_sha256"], strict=True))
    pairs -= set(zip(others["media_sha256"], others["text_sha256"], strict=True))
    contents = {name for media_, text in pairs for name in content_names(media_, text)}
    paths = (set(own["path"]) - set(others["path"])) - {""}
    keys = {hash_key(one) for one in media} | {key for path in paths for key in _probe_keys(path, project)}
    folded = {text_sha256(" ".join(clean_caption(one).casefold().split())) for one in captions}
    shared = {text_sha256(" ".join(one.casefold().split())) for one in others["text"] if one}
    files = {Path(path).name for path in paths if "://" not in path}
    return Identities(
        clips=frozenset(ids),
        creators=frozenset(names - {""}),
        media=frozenset(media),
        texts=frozenset(texts),
        alone=frozenset(texts - set(own.loc[own["media_sha256"] != "", "text_sha256"])),
        captions=frozenset(captions),
        others=frozenset(contents | paths | files | keys | (folded - shared) | set(own["request_id"]) - {""}),
    )


def _probe_keys(path: str, project: Project) -> Iterator[str]:
    if "://" not in path:
        with suppress(BadClipError, OSError):
            yield probe_key(path, project.limits)


def _known(project: Project) -> pd.DataFrame:
    """All that any table tells of any clip, a row for each time that one does."""
    frames = [frame for source in SOURCES for frame in source(project)]
    table = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(COLUMNS))
    table = table.reindex(columns=[*COLUMNS, "request_id"], fill_value="").fillna("").astype(str)
    split = table["content"].str.split("/", n=1, expand=True).reindex(columns=[0, 1]).fillna("")
    whole = table["content"].str.contains("/", regex=False)
    for place, column in enumerate(("media_sha256", "text_sha256")):
        table[column] = table[column].where((table[column] != "") | ~whole, split[place])
    return table


def _tables(project: Project) -> Iterator[pd.DataFrame]:
    """Parquet and CSV tables with a column of clips and one of creators, of all versions of the data."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    cached = sorted((project.root / ".dvc" / "cache" / "files").rglob("*"))
    for path in [*project.stored(), *(one for one in cached if one.is_file())]:
        if path.suffix == ".csv":
            with suppress(ValueError, OSError):
                yield from _useful(pd.read_csv(path, dtype=str, keep_default_na=False))
            continue
        with path.open("rb") as stream:
            if stream.read(4) != b"PAR1":
                continue
        with suppress(pa.ArrowException, OSError):
            names = pq.read_schema(path).names
            if {"clip_id", "creator"} <= set(names):
                yield from _useful(pd.read_parquet(path, columns=[one for one in COLUMNS if one in names]))


def _useful(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    if {"clip_id", "creator"} <= set(frame.columns):
        yield frame.reindex(columns=[one for one in COLUMNS if one in frame.columns])


def _captures(project: Project) -> Iterator[pd.DataFrame]:
    """What the service kept, and what iterations copied of it."""
    folder = project.root / CAPTURES
    rows = [
        {
            "clip_id": name,
            "creator": one.facts.get("creator", ""),
            "text": one.caption,
            "media_sha256": one.media_sha256,
            "text_sha256": text_sha256(said) if (said := clean_caption(one.caption)) else "",
            "request_id": one.request_id,
        }
        for one in CaptureStore(folder).entries()
        for name in {one.clip_id, one.facts.get("clip_id", "")}
    ]
    served = project.root / "data/01_raw/served/clips.jsonl"
    for line in read_lines(served):
        row = json.loads(line)["row"]
        rows.append({column: row.get(column, "") for column in COLUMNS})
    if rows:
        yield pd.DataFrame(rows)


def _answers(project: Project) -> Iterator[pd.DataFrame]:
    """What the service's logs tell."""
    from cu_pipeline.inference.prediction_log.erasing import read_clips

    for log in project.prediction_logs:
        try:
            rows = read_clips(log)
        except StoreError:
            continue
        if rows:
            yield pd.DataFrame(rows)


SOURCES: Final[tuple[Callable[[Project], Iterator[pd.DataFrame]], ...]] = (_tables, _captures, _answers)
"""Where it is told who made which clip."""
