from collections.abc import Mapping
from typing import Any

from cu_pipeline.labeling.guarantee.eligibility import FEWEST_OFFERED, Omission
from cu_pipeline.labeling.guarantee.options import Sample

_SAMPLES = {
    Sample.RANDOM_DRAWS: "clips that were drawn at random and labelled by people",
    Sample.FEED: "clips that the feed or people labelled",
}

_REASONS = {
    Omission.LEARNED: "the served model has learned from them or might have",
    Omission.FEATURES: "what the served model reads of them is not stored",
    Omission.LIMIT: "the language model is asked about label.llm.max_clips only",
}


def in_words(capability: str, found: Mapping[str, Any]) -> str:
    """Say what is promised for a capability, or why nothing is.

    Args:
        capability: its name.
        found: the numbers.
    """
    told = _kept(found) if found["error_bound"] is not None else _lacking(found)
    return f"{capability}: {told}"


def _kept(found: Mapping[str, Any]) -> str:
    accepted, wrong = (sum(one[key] for one in found["verdicts"]) for key in ("accepted", "wrong"))
    cost = found["cost_per_correct"]
    interval = " ({:.2g} to {:.2g})".format(*cost["ci95"]) if cost["ci95"] else ""
    return (
        f"{found['accepted']} of {found['pool']} clips that no person has seen have a certified label. With "
        f"{1 - found['delta']:.0%} confidence at most {found['alpha']:.0%} of such labels"
        f"{', of each answer,' if found['per_class'] else ''} are wrong. Of {accepted} calibration clips with one, "
        f"{wrong} were. A correct label is expected to cost ${cost['value']:.2g}{interval}, by people alone "
        f"${found['human_price']:.2g}"
        f"{_spared(found['llm_clips_spared'])}"
        f"{_barred(found['pool_left_out'])}"
    )


def _spared(clips: int) -> str:
    told = "The language model was not asked about {} clips, whose label was certified before its turn"
    return ". " + told.format(clips) if clips else ""


def _barred(left_out: Mapping[str, int]) -> str:
    return f". Labels of other clips cannot be certified: {because(left_out)}" if left_out else ""


def because(left_out: Mapping[str, int]) -> str:
    """Say how many clips are left out, and why.

    Args:
        left_out: clips by `Omission`.

    >>> because({"limit": 5})
    '5, since the language model is asked about label.llm.max_clips only'
    """
    return ", and ".join(f"{clips}, since {_REASONS[Omission(reason)]}" for reason, clips in left_out.items())


def _lacking(found: Mapping[str, Any]) -> str:
    if not found["pool"]:
        return "nothing to certify: people have looked at every clip"
    if not found["sources"]:
        return "nothing to certify: no machine has labelled a clip"
    if found["pool_awaited"]:
        return (
            f"no machine label is certified: thresholds are chosen on {FEWEST_OFFERED} clips at least, that no person "
            f"has seen and that may be certified, and {found['pool_awaited']} are lacking. Others may not be: "
            f"{because(found['pool_left_out'])}"
        )
    if found["answers_awaited"]:
        return (
            f"no machine label is certified: {found['answers_awaited']} questions to the language model have no answer "
            "yet, and the test of the machines waits for it. The next run asks again"
        )
    clips, left_out = found["calibration"]["clips"], found["calibration"]["left_out"]
    sample = f"{clips} {_SAMPLES[Sample(found['calibration']['sample'])]}"
    confidence = f"{1 - found['delta']:.0%} confidence"
    if found["labels_needed"] is None:
        return (
            f"no machine label is certified: on {sample}, the machines are wrong too often or too dear for "
            f"{found['alpha']:.0%} at {confidence}, and more labels would not help. Better machines, or a larger "
            f"label.guarantee.alpha, would{_uncounted(left_out)}"
        )
    least = "About" if found["delta_of_this_test"] else "At least"
    return (
        f"no machine label is certified: {sample} are too few for at most {found['alpha']:.0%} wrong at {confidence}. "
        f"{least} {found['labels_needed']} more are needed{_uncounted(left_out)}"
    )


def _uncounted(left_out: Mapping[str, int]) -> str:
    """Say which calibration clips do not count, and which would."""
    if not left_out:
        return ""
    remedy = ". Those of the test split count, and those that are newer than it" if Omission.LEARNED in left_out else ""
    return f". Other calibration clips do not count: {because(left_out)}{remedy}"
