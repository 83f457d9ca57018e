from collections.abc import Mapping
from typing import Any

from cu_pipeline.labeling.guarantee.options import Sample
from cu_pipeline.labeling.sources.eligibility import FEWEST_ELIGIBLE, Ineligible

_SAMPLES = {
    Sample.RANDOM_DRAWS: "clips that were drawn at random and labelled by people",
    Sample.FEED: "clips that the feed or people labelled",
}

_REASONS = {
    Ineligible.LEARNED: "the served model has learned from them or might have",
    Ineligible.FEATURES: "what the served model reads of them is not stored",
    Ineligible.LIMIT: "the language model is asked about label.llm.max_clips only",
}


def message(capability: str, found: Mapping[str, Any]) -> str:
    """Say what is guaranteed for a capability, or why nothing is.

    Args:
        capability: its name.
        found: the numbers.
    """
    told = _kept(found) if found["error_bound"] is not None else _lacking(found)
    return f"{capability}: {told}"


def _kept(found: Mapping[str, Any]) -> str:
    accepted, wrong = (sum(one[key] for one in found["results"]) for key in ("accepted", "wrong"))
    cost = found["cost_per_correct"]
    interval = " ({:.2g} to {:.2g})".format(*cost["ci95"]) if cost["ci95"] else ""
    return (
        f"{found['accepted']} of {found['pool']} clips that no person has seen have a certified label. With "
        f"{1 - found['delta']:.0%} confidence at most {found['alpha']:.0%} of such labels"
        f"{', of each answer,' if found['per_class'] else ''} are wrong. Of {accepted} calibration clips with one, "
        f"{wrong} were. A correct label is expected to cost ${cost['value']:.2g}{interval}, by people alone "
        f"${found['human_price']:.2g}"
        f"{_spared(found['llm_clips_spared'])}"
        f"{_ineligible(found['pool_ineligible'])}"
    )


def _spared(clips: int) -> str:
    told = "The language model was not asked about {} clips, whose label was certified before its turn"
    return ". " + told.format(clips) if clips else ""


def _ineligible(clips: Mapping[str, int]) -> str:
    return f". Labels of other clips cannot be certified: {because(clips)}" if clips else ""


def because(ineligible: Mapping[str, int]) -> str:
    """Say how many clips are not eligible, and why.

    Args:
        ineligible: clips by `Ineligible`.

    >>> because({"limit": 5})
    '5, since the language model is asked about label.llm.max_clips only'
    """
    return ", and ".join(f"{clips}, since {_REASONS[Ineligible(reason)]}" for reason, clips in ineligible.items())


def _lacking(found: Mapping[str, Any]) -> str:
    if not found["pool"]:
        return "nothing to certify: people have looked at every clip"
    if not found["sources"]:
        return "nothing to certify: no machine has labelled a clip"
    if found["pool_awaited"]:
        return (
            f"no machine label is certified: thresholds are chosen on {FEWEST_ELIGIBLE} clips at least, that no person "
            f"has seen and that may be certified, and {found['pool_awaited']} are lacking. Others may not be: "
            f"{because(found['pool_ineligible'])}"
        )
    if found["answers_awaited"]:
        return (
            f"no machine label is certified: {found['answers_awaited']} questions to the language model have no answer "
            "yet, and the test of the machines waits for it. The next run asks again"
        )
    clips, ineligible = found["calibration"]["clips"], found["calibration"]["ineligible"]
    sample = f"{clips} {_SAMPLES[Sample(found['calibration']['sample'])]}"
    confidence = f"{1 - found['delta']:.0%} confidence"
    if found["labels_needed"] is None:
        return (
            f"no machine label is certified: on {sample}, the machines are wrong too often or too dear for "
            f"{found['alpha']:.0%} at {confidence}, and more labels would not help. Better machines, or a larger "
            f"label.guarantee.alpha, would{_uncounted(ineligible)}"
        )
    least = "About" if found["delta_of_this_test"] else "At least"
    return (
        f"no machine label is certified: {sample} are too few for at most {found['alpha']:.0%} wrong at {confidence}. "
        f"{least} {found['labels_needed']} more are needed{_uncounted(ineligible)}"
    )


def _uncounted(ineligible: Mapping[str, int]) -> str:
    """Say which calibration clips do not count, and which would."""
    if not ineligible:
        return ""
    remedy = (
        ". Those of the test split count, and those that are newer than it" if Ineligible.LEARNED in ineligible else ""
    )
    return f". Other calibration clips do not count: {because(ineligible)}{remedy}"
