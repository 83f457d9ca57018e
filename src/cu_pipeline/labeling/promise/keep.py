from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.counters import count
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.copies import by_people, on_originals, originals
from cu_pipeline.labeling.promise.certify import Question
from cu_pipeline.labeling.promise.evidence import Case, evidence
from cu_pipeline.labeling.promise.machines import machines_say
from cu_pipeline.labeling.promise.options import GuaranteeOptions
from cu_pipeline.labeling.promise.settle import settle
from cu_pipeline.labeling.promise.trial import Trial, Verdict, account


@dataclass(frozen=True)
class Opinions:
    """All that is needed to certify labels.

    Attributes:
        clips: the table of usable clips.
        annotations: of all sources, with a price each.
        calibration: table of clips that machines are tested on, with people's labels.
        versions: capability -> what, besides the annotators' versions, decides what machines answer.
    """

    clips: pd.DataFrame
    annotations: pd.DataFrame
    calibration: pd.DataFrame
    versions: Mapping[str, str]


def keep_promise(
    opinions: Opinions,
    capabilities: Mapping[str, Capability],
    earlier: Sequence[Trial],
    options: GuaranteeOptions,
    human_price: float,
) -> tuple[list[Trial], dict[str, Any]]:
    """Decide for each capability which machine labels are accepted without a person.

    Args:
        opinions: what everybody says.
        capabilities: the active ones.
        earlier: tests that were made before, in order.
        options: what is promised.
        human_price: US dollars for a person's label.

    Returns:
        Tests that were made now, and the `guarantee` dataset: capability -> what holds and why.
    """
    count("calibration_tests", 0)
    made: list[Trial] = []
    found: dict[str, Any] = {}
    for name, capability in capabilities.items() if options.enabled else ():
        case = _case(name, capability, opinions, options, human_price)
        mine = [trial for trial in earlier if trial.capability == name]
        trial, new = settle(case.wanted, mine, case.question.put if len(case.pool) else _nothing_to_route)
        made += new if len(case.pool) else []
        count("calibration_tests", len(new))
        found[name] = evidence(case, trial, account([*mine, *new], options.delta))
    return made, found


def _nothing_to_route(_: Trial) -> list[Verdict]:
    return [Verdict("", {}, 0, 0, 1.0, None)]


def _case(name: str, capability: Capability, opinions: Opinions, options: GuaranteeOptions, human_price: float) -> Case:
    original_of = originals(opinions.clips)
    mine = opinions.annotations[opinions.annotations["capability"] == name]
    said = on_originals(mine, original_of)
    clip_ids = pd.Index(sorted(set(original_of)))
    machines = machines_say(said, clip_ids, capability)
    calibration = opinions.calibration[opinions.calibration["capability"] == name]
    calibrating = clip_ids.get_indexer(pd.Index(calibration["clip_id"]))
    pool = (~clip_ids.isin(by_people(said)["clip_id"])).nonzero()[0]
    question = Question(
        capability,
        [machine.take(calibrating) for machine in machines],
        calibration["label"].to_numpy(dtype=object),
        [machine.take(pool) for machine in machines],
        human_price,
    )
    # which rules spoke depends on the clips, so `opinions.versions` names all that there are
    kinds = {one.kind.value: list(one.versions) if one.kind is not AnnotatorKind.RULE else [] for one in machines}
    promised = {"alpha": options.alpha, "delta": options.delta, "per_class": options.per_class}
    terms = {**promised, "machines": kinds, "version": opinions.versions.get(name, "")}
    labels = dict(zip(calibration["clip_id"], calibration["label"], strict=True))
    return Case(Trial(name, terms, labels, 0.0), question, clip_ids[pool], options.calibration)
