from collections.abc import Mapping
from typing import Any

from cu_pipeline.labeling.promise.options import Sample

_SAMPLES = {
    Sample.RANDOM_DRAWS: "clips that were drawn at random and labelled by people",
    Sample.FEED: "clips that the feed or people labelled",
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
    )


def _spared(clips: int) -> str:
    told = "The language model was not asked about {} clips, whose label was certified before its turn"
    return ". " + told.format(clips) if clips else ""


def _lacking(found: Mapping[str, Any]) -> str:
    clips = found["calibration"]["clips"]
    sample = _SAMPLES[Sample(found["calibration"]["sample"])]
    if not found["pool"]:
        return "nothing to certify: people have looked at every clip"
    if not found["sources"]:
        return "nothing to certify: no machine has labelled a clip"
    if found["answers_awaited"]:
        return (
            f"no machine label is certified: {found['answers_awaited']} questions to the language model have no answer "
            "yet, and the test of the machines waits for it. The next run asks again"
        )
    if found["labels_needed"] is None:
        return (
            f"no machine label is certified: on {clips} {sample}, the machines are wrong too often or too dear for "
            f"{found['alpha']:.0%} at {1 - found['delta']:.0%} confidence, and more labels would not help. Better "
            "machines, or a larger label.guarantee.alpha, would"
        )
    least = "about" if found["delta_of_this_test"] else "at least"
    return (
        f"no machine label is certified: {clips} {sample} are too few for at most {found['alpha']:.0%} wrong at "
        f"{1 - found['delta']:.0%} confidence. {least.capitalize()} {found['labels_needed']} more are needed"
    )
