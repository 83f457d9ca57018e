"""Sources in turn: a language model is not asked what cheaper machines have answered for certain."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.guarantee.certification import Opinions, case_of
from cu_pipeline.labeling.guarantee.certify import accepted_by
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions
from cu_pipeline.labeling.guarantee.results import SUREST, Trial, Verdict
from cu_pipeline.labeling.guarantee.settle import standing
from cu_pipeline.labeling.sources.source import Machine


def accepted_before(machines: Sequence[Machine], verdicts: Sequence[Verdict], clips: int) -> NDArray[np.bool_]:
    """Say whose label is certified whatever the language model would say, (clips,).

    That is so where a machine accepts that comes before it, or where it accepts nothing and another one does. Of the
    labels that belong to the surest machine none is: which one that is shows only when all have answered.

    Args:
        machines: the language model may be among them or not.
        verdicts: what is certified.
        clips: number of them.
    """
    if any(SUREST in verdict.thresholds for verdict in verdicts):
        return np.zeros(clips, dtype=bool)
    return accepted_by(machines, [verdict.before(AnnotatorKind.LLM.value) for verdict in verdicts], clips) >= 0


def certified_unasked(
    opinions: Opinions, capabilities: Mapping[str, Capability], earlier: Sequence[Trial], options: GuaranteeOptions
) -> dict[str, frozenset[str]]:
    """Give the clips about which the language model need not be asked.

    There are none while a test is due: its thresholds must not depend on what came out before, as the set of clips
    that a machine has answered would if some were left out. Calibration clips are never among them.

    Args:
        opinions: what everybody but the language model says; its answers are awaited.
        capabilities: the active ones.
        earlier: tests that were made before, in order.
        options: what is promised.

    Returns:
        Capability -> ids of clips.
    """
    found = {}
    for name, capability in capabilities.items() if options.enabled else ():
        case = case_of(name, capability, opinions, options, human_price=0.0)
        settled = standing(case.wanted, [trial for trial in earlier if trial.capability == name])
        if settled.due is None and settled.trial.certified:
            certain = accepted_before(case.question.pool, settled.trial.verdicts, len(case.pool))
            found[name] = frozenset(case.pool[certain])
    return found
