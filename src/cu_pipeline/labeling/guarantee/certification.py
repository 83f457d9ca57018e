"""Certification: which answers of sources are accepted without a person, as tests on calibration clips allow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.lean import distinct, places, rows_where
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.copies import by_people, on_originals, originals
from cu_pipeline.labeling.guarantee.opinions import Opinions
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions, Sample
from cu_pipeline.labeling.guarantee.results import SUREST, CertificationResult, CertificationTest
from cu_pipeline.labeling.guarantee.thresholds import Target, certify, certify_each_answer, route
from cu_pipeline.labeling.sources.eligibility import (
    FEWEST_ELIGIBLE,
    IneligibleClips,
    count_reasons,
    ineligible_for,
)
from cu_pipeline.labeling.sources.source import (
    Annotator,
    Source,
    annotators_of,
    kind_of,
    most_confident,
    name_sources,
    sources_say,
)

_USED: Final = ["clip_id", "annotator", "kind", "label", "probabilities", "version", "price"]


@dataclass(frozen=True)
class SourceAnswers:
    """What sources say of two sets of clips.

    Attributes:
        capability: that they answer.
        calibration: their answers to the n calibration clips, the cheapest source first.
        truth: (n,) people's labels of these.
        pool: the same sources' answers to the m clips that are to be routed.
        human_price: US dollars.
    """

    capability: Capability
    calibration: Sequence[Source]
    truth: NDArray[np.object_]
    pool: Sequence[Source]
    human_price: float

    def on(self, rows: NDArray[np.int64]) -> "SourceAnswers":
        """Leave only the calibration clips at the positions `rows`."""
        return replace(self, calibration=[one.take(rows) for one in self.calibration], truth=self.truth[rows])

    def certify(self, test: CertificationTest) -> list[CertificationResult]:
        """Test the sources at the test's delta."""
        prices = {one.name: one.price for one in self.pool}
        target = Target(test.terms["alpha"], test.delta, prices, self.human_price)
        if test.terms["per_class"]:
            return self._each_answer(target)
        right = np.column_stack([source.answers == self.truth for source in self.calibration])
        return [certify(_confidence(self.calibration), right, _confidence(self.pool), target)]

    def _each_answer(self, target: Target) -> list[CertificationResult]:
        """Test each answer on its own; in a multi-label capability an answer is a set of classes."""
        calibration, pool = surest(self.calibration, len(self.truth)), surest(self.pool)
        single = self.capability.kind is Kind.SINGLE
        answers = list(self.capability.classes) if single else sorted(set(pool[1]) - {""})
        return certify_each_answer(calibration, self.truth, pool, target, answers)


@dataclass(frozen=True)
class Certification:
    """The question whether a capability's sources keep the guarantee.

    Attributes:
        wanted: the test that is asked for.
        answers: what sources say of the calibration clips and of the pool.
        pool: ids of the clips that are to be routed; they and the calibration clips are eligible.
        sample: which clips the calibration clips are.
        ineligible: the others.
        names: of the sources, those included whose answers are awaited.
    """

    wanted: CertificationTest
    answers: SourceAnswers
    pool: "pd.Index[str]"
    sample: Sample
    ineligible: IneligibleClips = field(default_factory=IneligibleClips)
    names: Mapping[Annotator, str] = field(default_factory=dict)

    @property
    def pool_awaited(self) -> int:
        """How many clips to be routed are lacking for a test, where some are not eligible.

        After training these are few, and thresholds chosen by them would hold until the calibration set has doubled.
        """
        return max(FEWEST_ELIGIBLE - len(self.pool), 0) if self.ineligible.pool else 0

    @property
    def routes(self) -> bool:
        """Whether there is anything to certify: a clip to be routed, and a source that could be right about it."""
        return bool(len(self.pool) and self.answers.pool)

    def run(self, test: CertificationTest) -> list[CertificationResult]:
        """Make a test on its calibration clips."""
        if not self.routes:
            return [CertificationResult.nothing(None)]
        place = {clip: row for row, clip in enumerate(self.wanted.labels)}
        return self.answers.on(np.array([place[clip] for clip in test.labels], dtype=np.int64)).certify(test)


def certification_of(name: str, opinions: Opinions) -> Certification:
    """Put the question whether a capability's sources keep the guarantee.

    What is asked for is known before language models answer: their answers may still be awaited. Clips about which a
    source in use was not asked take no part, so that the mix of sources that is tested is the one that is routed.
    """
    capability, options = opinions.active[name], opinions.guarantee
    original_of = originals(opinions.clips_of(name))
    mine = rows_where(opinions.annotations[_USED], opinions.annotations["capability"] == name)
    said = on_originals(mine, original_of)
    clip_ids = distinct(original_of)
    present = [one for one in annotators_of(said) if one[0] != AnnotatorKind.HUMAN]
    awaited = {(AnnotatorKind.LLM.value, one): version for one, version in opinions.awaited.get(name, {}).items()}
    names = name_sources([*present, *awaited])
    sources = sources_say(said, clip_ids, capability, names)
    ineligible = opinions.ineligible[opinions.ineligible["capability"] == name]
    excluded = ineligible_for(ineligible, {*present, *awaited})
    drawn = opinions.calibration[opinions.calibration["capability"] == name]
    calibration = drawn[~drawn["clip_id"].isin(excluded.index)]
    calibrating = places(calibration["clip_id"], clip_ids)
    unseen = ~clip_ids.isin(by_people(said)["clip_id"])
    pool = (unseen & ~clip_ids.isin(excluded.index)).nonzero()[0]
    answers = SourceAnswers(
        capability,
        [source.take(calibrating) for source in sources],
        calibration["label"].to_numpy(dtype=object),
        [source.take(pool) for source in sources],
        opinions.human_price,
    )
    labels = dict(zip(calibration["clip_id"], calibration["label"], strict=True))
    versions = _versions(sources, {names[one]: version for one, version in awaited.items()})
    return Certification(
        CertificationTest(name, _terms(versions, opinions.version_of(name), options) | _where(capability), labels, 0.0),
        answers,
        clip_ids[pool],
        options.calibration,
        IneligibleClips(count_reasons(excluded, drawn["clip_id"]), count_reasons(excluded, clip_ids[unseen])),
        names,
    )


def accepted_by(sources: Sequence[Source], results: Sequence[CertificationResult], clips: int) -> NDArray[np.int64]:
    """Find for each clip the source whose answer is certified, (clips,); -1 where none is.

    Sources are taken in the order in which they were tested, whatever they cost now.
    """
    chosen: NDArray[np.int64] = np.full(clips, -1, dtype=np.int64)
    if not sources:
        return chosen
    for result in results:
        if SUREST in result.thresholds:
            sure, said = surest(sources)
            holds = (said == result.answer) & (sure >= result.thresholds[SUREST])
            chosen[holds] = most_confident(sources, clips)[holds]
        elif result.thresholds:
            place = {source.name: number for number, source in enumerate(sources)}
            names = [name for name in result.sequence if name in place]
            if names:
                asked = [place[name] for name in names]
                thresholds = np.array([result.thresholds[name] for name in names])
                chosen = np.array([*asked, -1])[route(_confidence(sources)[:, asked], thresholds)]
    return chosen


def surest(sources: Sequence[Source], clips: int = 0) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Find each clip's highest confidence and the answer that has it."""
    if not sources:
        return np.full(clips, -np.inf), np.full(clips, "", dtype=object)
    rows = np.arange(len(sources[0].answers))
    best = _confidence(sources).argmax(axis=1)
    answers = np.column_stack([source.answers for source in sources])
    return _confidence(sources)[rows, best], answers[rows, best]


def _confidence(sources: Sequence[Source]) -> NDArray[np.float64]:
    return np.column_stack([source.confidence for source in sources])


def _where(capability: Capability) -> dict[str, Any]:
    """Name the scope, if there is one: what was tested on the clips of one scope tells nothing of another's."""
    return {"scope": capability.scope.model_dump(mode="json")} if capability.scope.is_limited else {}


def _versions(sources: Sequence[Source], awaited: dict[str, str]) -> dict[str, list[str]]:
    """List the sources in use with the versions of their annotators."""
    # which rules spoke depends on the clips, so that the version of the opinions names all that there are
    said = {one.name: [] if kind_of(one.name) == AnnotatorKind.RULE else list(one.versions) for one in sources}
    return said | {name: [version] for name, version in awaited.items()}


def _terms(versions: dict[str, list[str]], version: str, options: GuaranteeOptions) -> dict[str, Any]:
    """Collect all that decides a test's outcome, but for the clips and for people's labels."""
    guaranteed = {"alpha": options.alpha, "delta": options.delta, "per_class": options.per_class}
    # tests of earlier versions counted clips that the served model had learned from: they answer nothing
    is_served = any(kind_of(name) == AnnotatorKind.MODEL for name in versions)
    sample = {"eligible": True} if is_served else {}
    return {**guaranteed, "sources": versions, "version": version, **sample}
