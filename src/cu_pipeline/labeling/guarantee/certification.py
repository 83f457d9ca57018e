from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.copies import by_people, on_originals, originals
from cu_pipeline.labeling.guarantee.certify import Question
from cu_pipeline.labeling.guarantee.eligibility import FEWEST_OFFERED, LeftOut, everything_offered, omitted, reasons
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions, Sample
from cu_pipeline.labeling.guarantee.results import Trial, Verdict
from cu_pipeline.labeling.sources.source import Machine, machines_say


@dataclass(frozen=True)
class Opinions:
    """All that is needed to certify labels.

    Attributes:
        clips: the table of usable clips.
        annotations: of all sources, with a price each.
        calibration: table of clips that machines are tested on, with people's labels.
        versions: capability -> what, besides the annotators' versions, decides what machines answer.
        awaited: capability -> version of the language model's answers that are still to come.
        not_offered: table of the clips that a machine was not offered.
    """

    clips: pd.DataFrame
    annotations: pd.DataFrame
    calibration: pd.DataFrame
    versions: Mapping[str, str]
    awaited: Mapping[str, str] = field(default_factory=dict)
    not_offered: pd.DataFrame = field(default_factory=everything_offered)


@dataclass(frozen=True)
class Case:
    """A question about one capability.

    Attributes:
        wanted: the test that is asked for.
        question: what machines say of the calibration clips and of the pool.
        pool: ids of the clips that are to be routed: all machines in use were offered these and the calibration clips.
        sample: which clips the calibration clips are.
        left_out: the others.
    """

    wanted: Trial
    question: Question
    pool: "pd.Index[str]"
    sample: Sample
    left_out: LeftOut = field(default_factory=LeftOut)

    @property
    def pool_awaited(self) -> int:
        """How many clips to be routed are lacking for a test, where some were not offered.

        After training these are few, and thresholds chosen by them would hold until the calibration set has doubled.
        """
        return max(FEWEST_OFFERED - len(self.pool), 0) if self.left_out.pool else 0

    @property
    def routes(self) -> bool:
        """Whether there is anything to certify: a clip to be routed, and a machine that could be right about it."""
        return bool(len(self.pool) and self.question.pool)

    def put(self, trial: Trial) -> list[Verdict]:
        """Make a test on its calibration clips."""
        if not self.routes:
            return [Verdict("", {}, 0, 0, 1.0, None)]
        place = {clip: row for row, clip in enumerate(self.wanted.labels)}
        return self.question.on(np.array([place[clip] for clip in trial.labels], dtype=np.int64)).put(trial)


def case_of(
    name: str, capability: Capability, opinions: Opinions, options: GuaranteeOptions, human_price: float
) -> Case:
    """Put the question whether a capability's machines keep the promise.

    What is asked for is known before the language model answers: its answers may still be awaited. Clips that a
    machine in use was not offered take no part, so that the mix of sources that is tested is the one that is routed.

    Args:
        name: of the capability.
        capability: with its classes.
        opinions: what everybody says.
        options: what is promised.
        human_price: US dollars for a person's label.
    """
    original_of = originals(opinions.clips)
    mine = opinions.annotations[opinions.annotations["capability"] == name]
    said = on_originals(mine, original_of)
    clip_ids = pd.Index(sorted(set(original_of)))
    machines = machines_say(said, clip_ids, capability)
    kinds = _versions(name, machines, opinions)
    passed = opinions.not_offered[opinions.not_offered["capability"] == name]
    left_out = omitted(passed, [AnnotatorKind(kind) for kind in kinds])
    drawn = opinions.calibration[opinions.calibration["capability"] == name]
    calibration = drawn[~drawn["clip_id"].isin(left_out)]
    calibrating = clip_ids.get_indexer(pd.Index(calibration["clip_id"]))
    unseen = ~clip_ids.isin(by_people(said)["clip_id"])
    pool = (unseen & ~clip_ids.isin(left_out)).nonzero()[0]
    question = Question(
        capability,
        [machine.take(calibrating) for machine in machines],
        calibration["label"].to_numpy(dtype=object),
        [machine.take(pool) for machine in machines],
        human_price,
    )
    labels = dict(zip(calibration["clip_id"], calibration["label"], strict=True))
    return Case(
        Trial(name, _terms(kinds, opinions.versions.get(name, ""), options), labels, 0.0),
        question,
        clip_ids[pool],
        options.calibration,
        LeftOut(reasons(left_out, drawn["clip_id"]), reasons(left_out, clip_ids[unseen])),
    )


def _versions(name: str, machines: list[Machine], opinions: Opinions) -> dict[str, list[str]]:
    """Give the machines in use, kind -> versions of its annotators."""
    # which rules spoke depends on the clips, so `versions` names all that there are
    kinds = {one.kind.value: list(one.versions) if one.kind is not AnnotatorKind.RULE else [] for one in machines}
    if name in opinions.awaited:
        kinds[AnnotatorKind.LLM.value] = [opinions.awaited[name]]
    return kinds


def _terms(kinds: dict[str, list[str]], version: str, options: GuaranteeOptions) -> dict[str, Any]:
    """Give all that decides a test's outcome, but for the clips and for people's labels."""
    promised = {"alpha": options.alpha, "delta": options.delta, "per_class": options.per_class}
    # tests of earlier versions counted clips that the served model had learned from: they answer nothing
    sample = {"offered": True} if AnnotatorKind.MODEL in kinds else {}
    return {**promised, "machines": kinds, "version": version, **sample}
