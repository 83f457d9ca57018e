"""The champions' answers about many clips at once, in a table in which what is known already is kept."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import BundleError, Reason
from cu_pipeline.core.progress import bar
from cu_pipeline.core.records import CLIPS, PREDICTIONS, REJECTS, Column, table
from cu_pipeline.features.clip_features import content_column, read_features
from cu_pipeline.features.extract import contents_of, extract_missing
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.inference.predictions_table import predict_table
from cu_pipeline.media.options import Limits
from cu_pipeline.models.bundle import Bundle, inputs_of

_CONTENT: Final = ["clip_id", "media_sha256", "text_sha256"]

BATCH: Final[dict[str, Column]] = {
    **{name: CLIPS[name] for name in ("clip_id", "path")},
    **{name: column for name, column in PREDICTIONS.items() if name not in {"clip_id", "split"}},
    **{name: CLIPS[name] for name in ("media_sha256", "text_sha256")},
}
"""Columns of the table that is given out: a row for each clip and capability."""

_CHUNK: Final = 4096
"""Clips whose features are in memory at a time: 170 MB of frames."""


@dataclass(frozen=True)
class BatchAnswers:
    """What the champions say of many clips.

    Attributes:
        rows: with the columns of `BATCH`, in the clips' order.
        rejects: clips whose media does not decode, with the columns of `REJECTS`.
        kept: how many of the rows were known already.
    """

    rows: pd.DataFrame
    rejects: pd.DataFrame
    kept: int


def predict_batch(
    clips: pd.DataFrame,
    champions: Mapping[str, Bundle],
    known: pd.DataFrame,
    store: FeatureStore,
    limits: Limits,
    mapper: Mapper,
) -> BatchAnswers:
    """Let the champions answer about clips, each once for the same content and model.

    Features that the store lacks are computed and added to it, a chunk at a time, so that a call that was killed loses
    little. A clip whose media does not decode is refused, as the service refuses it.

    Args:
        clips: usable clips, with the columns of `CLIPS` but `group` and `split`.
        champions: by capability.
        known: what an earlier call gave, with the columns of `BATCH`; may be empty.
        store: of features.
        limits: of decoding one clip.
        mapper: decodes.

    Raises:
        BundleError: there is no champion, or it reads features that this installation does not make.
    """
    if not champions:
        raise BundleError(
            "there is no champion to predict with. Remedy: `dvc pull data/06_models/champions` where others have "
            "trained one, else `make run`"
        )
    inside = {name: set(bundle.scope.within(clips)["clip_id"]) for name, bundle in champions.items()}
    kept = _kept(clips, champions, inside, known)
    lacking = _lacking(clips, inside, kept)
    inputs = inputs_of(champions.values())
    extractors = [one.extractor() for one in inputs]
    count("clips_decoded", 0)
    for chunk in extract_missing(extractors, contents_of(lacking), store, limits, mapper) if len(lacking) else ():
        store.append(chunk.identity, chunk.keys, chunk.values)
    usable = _decoded(lacking, inputs, store)
    new = list(_predicted(lacking[usable], champions, store))
    rows = pd.concat([kept, *new], ignore_index=True) if new else kept
    return BatchAnswers(_ordered(rows, clips, champions), _refused(lacking[~usable], inputs, store), len(kept))


def _kept(
    clips: pd.DataFrame, champions: Mapping[str, Bundle], inside: Mapping[str, set[str]], known: pd.DataFrame
) -> pd.DataFrame:
    """The known rows that are about these clips as they are, by these models, and inside their scopes."""
    versions = known["capability"].map({name: bundle.version for name, bundle in champions.items()})
    pairs = zip(known["capability"], known["clip_id"], strict=True)
    applies = np.array([clip in inside.get(name, ()) for name, clip in pairs], dtype=np.bool_)
    own = known[(known["model_version"] == versions).to_numpy() & applies].drop(columns="path")
    return table(own.merge(clips[[*_CONTENT, "path"]], on=_CONTENT), BATCH)


def _lacking(clips: pd.DataFrame, inside: Mapping[str, set[str]], kept: pd.DataFrame) -> pd.DataFrame:
    """The clips about which some champion that applies has not answered; `lacks` names those as a JSON list."""
    answered = kept.groupby("clip_id")["capability"].agg(set).to_dict()
    lacks = [
        [name for name, own in inside.items() if clip in own and name not in answered.get(clip, ())]
        for clip in clips["clip_id"]
    ]
    return clips.assign(split="", lacks=[json.dumps(names) for names in lacks])[[bool(names) for names in lacks]]


def _predicted(clips: pd.DataFrame, champions: Mapping[str, Bundle], store: FeatureStore) -> Iterator[pd.DataFrame]:
    with bar("predicting", len(clips)) as shown:
        for lacks, group in clips.groupby("lacks", sort=False):
            asked = {name: champions[name] for name in json.loads(str(lacks))}
            for start in range(0, len(group), _CHUNK):
                some = group.iloc[start : start + _CHUNK]
                answers = predict_table(some, store, asked)
                yield table(answers.merge(some[[*_CONTENT, "path"]], on="clip_id"), BATCH)
                shown.update(len(some))


def _decoded(clips: pd.DataFrame, inputs: list[FeatureInput], store: FeatureStore) -> NDArray[np.bool_]:
    """Whether each clip's media gave all that the models read of it; so does no media."""
    usable = np.ones(len(clips), dtype=np.bool_)
    for one in inputs:
        if content_column(one.name) == "media_sha256" and len(clips):
            given = (clips["media_sha256"] != "").to_numpy()
            usable[given] &= _present(clips[given], one, store)
    return usable


def _present(clips: pd.DataFrame, one: FeatureInput, store: FeatureStore) -> NDArray[np.bool_]:
    """Whether a feature is stored of each clip, and is not that of refused content."""
    stored = ~clips["media_sha256"].isin(store.missing(one, clips["media_sha256"].tolist())).to_numpy()
    for start in range(0, len(clips), _CHUNK):
        part = slice(start, start + _CHUNK)
        some = clips[part][stored[part]]
        if len(some):
            stored[np.flatnonzero(stored[part]) + start] = read_features(some, store, {one.name: one})[one.name].present
    return stored


def _refused(clips: pd.DataFrame, inputs: list[FeatureInput], store: FeatureStore) -> pd.DataFrame:
    of_media = [one for one in inputs if content_column(one.name) == "media_sha256"]
    passing = {sha for one in of_media for sha in store.missing(one, clips["media_sha256"].tolist())}
    again = "reading it took too long or took a process down: the next call tries it again"
    rows: list[dict[str, object]] = [
        {"clip_id": clip_id, "path": path}
        | (
            {"reason": Reason.CRASHED.value, "detail": again}
            if sha in passing
            else {"reason": Reason.NO_FRAMES.value, "detail": "its frames do not decode"}
        )
        for clip_id, path, sha in zip(clips["clip_id"], clips["path"], clips["media_sha256"], strict=True)
    ]
    return table(rows, REJECTS)


def _ordered(rows: pd.DataFrame, clips: pd.DataFrame, champions: Mapping[str, Bundle]) -> pd.DataFrame:
    """Sort rows as the feed is, and a clip's by capability."""
    places = pd.DataFrame(
        {
            "clip": rows["clip_id"].map({name: place for place, name in enumerate(clips["clip_id"])}),
            "capability": rows["capability"].map({name: place for place, name in enumerate(sorted(champions))}),
        }
    )
    return rows.loc[places.sort_values(["clip", "capability"]).index].reset_index(drop=True)
