import json
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.decision import decide, tied
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.lean import below, beside, distinct, places, rows_where
from cu_pipeline.core.records import NAME, table
from cu_pipeline.labeling.copies import by_people, on_originals, originals
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions, Sample
from cu_pipeline.labeling.people.crowd import people_say
from cu_pipeline.labeling.people.options import PeopleOptions

CALIBRATION: Final = {"capability": NAME, "clip_id": NAME, "label": NAME}
"""Columns of the table of calibration clips: `label` is what people say, which is taken to be right."""

FEED_DRAW: Final = "annotation_draw"
"""The feed's column that says how a clip came to be labelled: "random", or nothing."""

_USED: Final = ["clip_id", "annotator", "kind", "label", "draw"]
_DRAWS: Final[dict[Sample, tuple[str, ...]]] = {Sample.RANDOM_DRAWS: ("random",), Sample.FEED: ("random", "")}


def drawn_by_feed(annotations: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """Mark the feed's annotations of clips that were drawn at random to be labelled, as the feed says.

    Args:
        annotations: that came with the feed.
        clips: the table of clips, whose metadata may hold `FEED_DRAW`.

    Raises:
        ConfigurationError: it holds something else than "random" or nothing.
    """
    naming = clips[clips["metadata"].str.contains(FEED_DRAW, regex=False)]
    given = {text: str(json.loads(text).get(FEED_DRAW, "")).strip() for text in naming["metadata"].unique()}
    draws = naming["metadata"].map(given).to_numpy(dtype=object)
    for clip_id, draw in zip(naming["clip_id"], draws, strict=True):
        if draw not in {"", "random"}:
            raise ConfigurationError(
                f"clip {clip_id}: {FEED_DRAW} {draw!r} is unknown: write random if the clip was drawn at random from "
                "all, whatever it shows, to be labelled; else leave the cell empty"
            )
    place = places(annotations["clip_id"], naming["clip_id"])
    told = annotations["draw"].to_numpy(dtype=object, copy=True)
    told[place >= 0] = draws[place[place >= 0]]
    return beside(annotations, draw=told)


def calibration_clips(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    capabilities: Mapping[str, Capability],
    options: GuaranteeOptions,
    people: PeopleOptions,
    arrived: Sequence[str] = (),
) -> pd.DataFrame:
    """Choose the clips that sources are tested on: a random sample, labelled by people.

    Args:
        clips: the table of usable clips.
        annotations: people's.
        capabilities: the active ones.
        options: which clips are such a sample.
        people: how people's answers add up.
        arrived: ids of the clips that people were sent, in the order of their answers.

    Returns:
        A table with the columns of `CALIBRATION`, copies left out, and clips on which people's votes are even: of each
        capability first the clips that came labelled with the feed, then the others as they arrived.
    """
    tables = [table([], CALIBRATION)]
    for name, capability in capabilities.items() if options.enabled else ():
        original_of = originals(capability.scope.within(clips))
        place = _in_turn(arrived, original_of)
        mine = by_people(on_originals(rows_where(annotations[_USED], annotations["capability"] == name), original_of))
        sample = distinct(mine.loc[mine["draw"].isin(_DRAWS[options.calibration]), "clip_id"])
        if place:
            sample = pd.Index(sorted(sample, key=lambda clip: place.get(clip, -len(arrived))), dtype=object)
        truth = people_say(mine[mine["clip_id"].isin(sample)], sample, capability, people)
        labels, even = decide(truth.probabilities, capability).labels, tied(truth.probabilities, capability.kind)
        decided = pd.DataFrame({"capability": name, "clip_id": sample, "label": pd.Series(labels, dtype=object)})
        tables.append(table(decided[~even], CALIBRATION))
    return below(tables)


def _in_turn(arrived: Sequence[str], original_of: "pd.Series[str]") -> dict[str, int]:
    """Order clips by when they arrived: the original of each -> its place, the latest one's is 0."""
    found = places(list(arrived), original_of.index)
    names = [original_of.iloc[row] if row >= 0 else clip for clip, row in zip(arrived, found, strict=True)]
    return {clip: -number for number, clip in enumerate(reversed(names))}


def hide_calibration(annotations: pd.DataFrame, calibration: pd.DataFrame) -> pd.DataFrame:
    """Leave out what was said of calibration clips, which sources label as if no person had."""
    hidden = np.zeros(len(annotations), dtype=np.bool_)
    for name, mine in calibration.groupby("capability", sort=False):
        about = (annotations["capability"] == name) & annotations["clip_id"].isin(mine["clip_id"])
        hidden |= about.to_numpy(dtype=np.bool_)
    return rows_where(annotations, ~hidden)


def prior_knowledge(annotations: pd.DataFrame, calibration: pd.DataFrame) -> pd.DataFrame:
    """Leave only what sources may learn from: the feed's own annotations, but of no calibration clip."""
    return hide_calibration(rows_where(annotations, annotations["draw"] == ""), calibration)
