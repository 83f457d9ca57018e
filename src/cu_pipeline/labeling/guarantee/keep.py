from collections.abc import Mapping, Sequence
from typing import Any

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.counters import count
from cu_pipeline.labeling.guarantee.certification import Opinions, case_of
from cu_pipeline.labeling.guarantee.in_turn import Asked
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions
from cu_pipeline.labeling.guarantee.report import evidence
from cu_pipeline.labeling.guarantee.results import Trial, account
from cu_pipeline.labeling.guarantee.settle import settle


def keep_promise(
    opinions: Opinions,
    capabilities: Mapping[str, Capability],
    earlier: Sequence[Trial],
    options: GuaranteeOptions,
    human_price: float,
    asked: Mapping[str, Asked],
) -> tuple[list[Trial], dict[str, Any]]:
    """Decide for each capability which machine labels are accepted without a person.

    Args:
        opinions: what everybody says.
        capabilities: the active ones.
        earlier: tests that were made before, in order.
        options: what is promised.
        human_price: US dollars for a person's label.
        asked: capability -> how far the language model was asked. Once it was spared clips, a test waits until it has
            answered about all: what is missing would follow from what came out before.

    Returns:
        Tests that were made now, and the `guarantee` dataset: capability -> what holds and why.
    """
    count("calibration_tests", 0)
    made: list[Trial] = []
    found: dict[str, Any] = {}
    for name, capability in capabilities.items() if options.enabled else ():
        case = case_of(name, capability, opinions, options, human_price)
        mine = [trial for trial in earlier if trial.capability == name]
        far = asked.get(name, Asked())
        is_asked = far.is_complete or not any(trial.certified for trial in mine)
        settled = settle(case.wanted, mine, case.put, may_test=is_asked and not case.pool_awaited)
        now = settled.made if case.routes else []  # else nothing was tested
        made += now
        count("calibration_tests", len(now))
        spent = account([*mine, *now], options.delta)
        found[name] = evidence(case, settled, spent, far)
    return made, found
