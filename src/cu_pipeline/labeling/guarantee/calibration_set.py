import json
from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.decision import decide, tied
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.records import NAME, table
from cu_pipeline.labeling.copies import by_people, on_originals, originals
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions, Sample
from cu_pipeline.labeling.people.crowd import people_say
from cu_pipeline.labeling.people.options import PeopleOptions

CALIBRATION: Final = {"capability": NAME, "clip_id": NAME, "label": NAME}
"""Columns of the table of calibration clips: `label` is what people say, which is taken to be right."""

FEED_DRAW: Final = "annotation_draw"
"""The feed's column that says how a clip came to be labelled: "random", or nothing."""

_DRAWS: Final[dict[Sample, tuple[str, ...]]] = {Sample.RANDOM_DRAWS: ("random",), Sample.FEED: ("random", "")}


def drawn_by_feed(annotations: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """Mark the feed's annotations of clips that were drawn at random to be labelled, as the feed says.

    Args:
        annotations: that came with the feed.
        clips: the table of clips, whose metadata may hold `FEED_DRAW`.

    Raises:
        ConfigurationError: it holds something else than "random" or nothing.
    """
    draws = {
        clip_id: str(json.loads(metadata).get(FEED_DRAW, "")).strip()
        for clip_id, metadata in zip(clips["clip_id"], clips["metadata"], strict=True)
        if FEED_DRAW in metadata
    }
    for clip_id, draw in draws.items():
        if draw not in {"", "random"}:
            raise ConfigurationError(
                f"clip {clip_id}: {FEED_DRAW} {draw!r} is unknown: write random if the clip was drawn at random from "
                "all, whatever it shows, to be labelled; else leave the cell empty"
            )
    return annotations.assign(draw=annotations["clip_id"].map(draws).fillna(annotations["draw"]))


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
    rows: list[dict[str, object]] = []
    for name, capability in capabilities.items() if options.enabled else ():
        original_of = originals(capability.scope.within(clips))
        place = {original_of.get(clip, clip): -number for number, clip in enumerate(reversed(arrived))}
        mine = by_people(on_originals(annotations[annotations["capability"] == name], original_of))
        drawn = sorted(set(mine.loc[mine["draw"].isin(_DRAWS[options.calibration]), "clip_id"]))
        chosen = pd.Index(sorted(drawn, key=lambda clip: place.get(clip, -len(arrived))), dtype=object)
        truth = people_say(mine[mine["clip_id"].isin(chosen)], chosen, capability, people)
        labels, even = decide(truth.probabilities, capability).labels, tied(truth.probabilities, capability.kind)
        rows += [
            {"capability": name, "clip_id": clip, "label": label}
            for clip, label, undecided in zip(chosen, labels, even, strict=True)
            if not undecided
        ]
    return table(rows, CALIBRATION)


def hide_calibration(annotations: pd.DataFrame, calibration: pd.DataFrame) -> pd.DataFrame:
    """Leave out what was said of calibration clips, which sources label as if no person had."""
    return annotations[~_places(annotations).isin(_places(calibration))]


def prior_knowledge(annotations: pd.DataFrame, calibration: pd.DataFrame) -> pd.DataFrame:
    """Leave only what sources may learn from: the feed's own annotations, but of no calibration clip."""
    return hide_calibration(annotations[annotations["draw"] == ""], calibration)


def _places(frame: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(frame[["capability", "clip_id"]])
