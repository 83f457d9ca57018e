"""The step that audits champions: what they said of the random clips that people labelled since."""

from collections.abc import Mapping
from datetime import datetime

import pandas as pd

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.core.units import content_name
from cu_pipeline.evaluation.bootstrap import Bootstrap
from cu_pipeline.inference.prediction_log.records import PredictionRecord
from cu_pipeline.iterate.fitness import Audited, Fitness, Promise, judge
from cu_pipeline.iterate.ledger import all_fit
from cu_pipeline.iterate.likeness import WindowScan
from cu_pipeline.iterate.state import StepName
from cu_pipeline.iterate.work import ANSWERS, QUALITY, REQUESTS, Outcome, Work
from cu_pipeline.labeling.people.requests import Purpose


def audit(work: Work) -> Outcome:
    """Hold what the champions said of the clips that people labelled since against these labels."""
    requests, clips, labels, place, quality, resolved = work.project.load(
        "label_requests", "clips", "labels", "prediction_log", "earlier_served_quality", "capabilities_resolved"
    )
    decided = work.iteration.facts(StepName.DECIDE)
    asked = {one.clip_id for one in requests if one.iteration == work.iteration.id and one.purpose is Purpose.TEST}
    mine = clips[clips["clip_id"].isin(asked)]
    serving: dict[str, str] = decided["champions"]
    said = _answers(mine, place, serving, decided["window"])
    bootstrap = Bootstrap(work.parameters["seed"], work.parameters["evaluate"].bootstrap_draws)
    found = {}
    for name, version in serving.items():
        capability = resolved.active.get(name)
        audited = audited_clips(name, capability.kind, mine, labels, said) if capability else None
        found[name] = judge(version, audited, Promise.of(quality.get(name), version), work.options.audit, bootstrap)
    effect = {name: one.to_json() | {"serves": one.champion} for name, one in found.items()}
    told = in_words(found)
    return Outcome({"effect": effect, "told": told}, told, (REQUESTS, ANSWERS, QUALITY), StepName.SETTLE)


def audited_clips(
    name: str, kind: Kind, clips: pd.DataFrame, labels: pd.DataFrame, said: Mapping[str, PredictionRecord]
) -> Audited | None:
    """Find what a champion said of clips that people labelled.

    Args:
        name: of the capability.
        kind: of it.
        clips: that were asked about, rows of the table of clips.
        labels: of all sources and capabilities.
        said: clip -> what the champions answered.

    Returns:
        None where people labelled none of them.
    """
    own = labels[(labels["capability"] == name) & (labels["source"] == AnnotatorKind.HUMAN.value)]
    joined = clips.merge(own[["clip_id", "label"]], on="clip_id", validate="one_to_one")
    joined = joined[[name in said[one].labels if one in said else False for one in joined["clip_id"]]]
    if joined.empty:
        return None
    answers = [said[one] for one in joined["clip_id"]]
    return Audited.of(
        kind,
        joined["label"].tolist(),
        [one.probabilities[name] for one in answers],
        [one.labels[name] for one in answers],
        joined["group"],
    )


def in_words(found: Mapping[str, Fitness]) -> str:
    """Say what an audit found.

    Args:
        found: of each champion.
    """
    told = "; ".join(f"{name}: {one.why}" for name, one in found.items())
    if all_fit(one.fit for one in found.values()):
        return f"{told}: nothing is trained"
    if any(one.fit is False for one in found.values()):
        return told
    return f"{told or 'no champion serves'}: the champions are not known to be fit, so it is trained"


def _answers(
    clips: pd.DataFrame, place: str, serving: Mapping[str, str], window: Mapping[str, str]
) -> dict[str, PredictionRecord]:
    """What the champions said last of each clip in a window: clip -> record."""
    contents = [content_name(*both) for both in zip(clips["media_sha256"], clips["text_sha256"], strict=True)]
    clip_of = dict(zip(contents, clips["clip_id"], strict=True))
    start, end = (datetime.fromisoformat(window[name]) for name in ("start", "end"))
    found = {}
    for record in WindowScan(place, start, end, versions=serving):
        if clip := clip_of.get(content_name(record.media_sha256, record.text_sha256)):
            found[clip] = record
    return found
