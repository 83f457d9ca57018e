"""What is guaranteed for each capability, or why nothing is: certified, kept, and said in words."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

import numpy as np

from cu_pipeline.core.counters import count
from cu_pipeline.core.dollars import dollars
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.guarantee.alpha_spending import AlphaAccount, Standing, make_due_test
from cu_pipeline.labeling.guarantee.cascade import accepted_before
from cu_pipeline.labeling.guarantee.certification import Certification, SourceAnswers, accepted_by, certification_of
from cu_pipeline.labeling.guarantee.opinions import Asked, Opinions
from cu_pipeline.labeling.guarantee.options import Sample
from cu_pipeline.labeling.guarantee.results import CertificationResult, CertificationTest
from cu_pipeline.labeling.guarantee.statistics import ratio_interval, share_interval
from cu_pipeline.labeling.sources.eligibility import FEWEST_ELIGIBLE, Ineligible
from cu_pipeline.labeling.sources.source import Source, kind_of

_FORMERLY: Final = {"verdicts": "results", "words": "message", "pool_left_out": "pool_ineligible"}
_FORMERLY_OF_CALIBRATION: Final = {"left_out": "ineligible"}

_SAMPLES = {
    Sample.RANDOM_DRAWS: "clips that were drawn at random and labelled by people",
    Sample.FEED: "clips that the feed or people labelled",
}

_REASONS = {
    Ineligible.LEARNED: "the served model has learned from them or might have",
    Ineligible.FEATURES: "what the served model reads of them is not stored",
    Ineligible.FRAMES: "their frames are not stored as the zero-shot model reads them",
    Ineligible.LIMIT: "the language model is asked about label.llm.max_clips only",
    Ineligible.SERVED: "iterations chose them from the service's traffic, of which no random draws are tested",
}


@dataclass(frozen=True)
class Guarantee:
    """What holds for one capability, in numbers and in words.

    Attributes:
        alpha: largest share of certified labels that may be wrong.
        delta: largest probability of breaking that.
        per_class: whether it is kept among the labels of each answer.
        calibration: `sample` that calibration clips are, `clips`, those `tested`, and the `ineligible` ones by reason.
        sources: what each says: `source`, `price`, `answers`, `calibration_answers`, `right`, `accuracy` and its
            interval.
        results: of the test that holds.
        pool: clips that no person has seen.
        pool_ineligible: of these, by reason.
        pool_awaited: clips to be routed that are lacking for a test.
        accepted: labels that are certified.
        coverage: share of the pool with one; None: it is empty.
        error_bound: alpha, where anything is certified.
        delta_of_this_test: what the test that holds has cost.
        delta_spent: by all tests on these calibration clips.
        delta_left: for more of them.
        labels_needed: calibration labels that are lacking; 0: something is certified; None: no number helps.
        llm_clips_spared: questions that language models were not asked.
        answers_awaited: of language models, for which a due test waits.
        human_price: US dollars for a person's label.
        cost_per_correct: US dollars for a correct label of a new clip, with its interval.
        message: all this in words.
    """

    alpha: float
    delta: float
    per_class: bool
    calibration: dict[str, Any]
    sources: list[dict[str, Any]]
    results: list[CertificationResult]
    pool: int
    pool_ineligible: dict[str, int]
    pool_awaited: int
    accepted: int
    coverage: float | None
    error_bound: float | None
    delta_of_this_test: float
    delta_spent: float
    delta_left: float
    labels_needed: int | None
    llm_clips_spared: int
    answers_awaited: int
    human_price: float
    cost_per_correct: dict[str, Any]
    message: str = ""

    def as_json(self) -> dict[str, Any]:
        """Write the record for a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read a record of this or an earlier version, in which some things had other names."""
        given = {_FORMERLY.get(name, name): value for name, value in record.items()}
        calibration = {_FORMERLY_OF_CALIBRATION.get(name, name): one for name, one in given["calibration"].items()}
        results = [CertificationResult.from_json(one) for one in given["results"]]
        return cls(**{**given, "calibration": calibration, "results": results})


def certify_capabilities(
    opinions: Opinions, earlier: Sequence[CertificationTest]
) -> tuple[list[CertificationTest], dict[str, Guarantee]]:
    """Decide for each capability which labels of sources are accepted without a person.

    Once a language model was spared clips, a test waits until it has answered about all: what is missing would follow
    from what came out before.

    Args:
        opinions: what everybody says, how far language models were asked, and what is guaranteed.
        earlier: tests that were made before, in order.

    Returns:
        Tests that were made now, and capability -> what holds and why.
    """
    count("calibration_tests", 0)
    made: list[CertificationTest] = []
    found: dict[str, Guarantee] = {}
    for name in opinions.active if opinions.guarantee.enabled else ():
        question = certification_of(name, opinions)
        mine = [test for test in earlier if test.capability == name]
        asked = list(opinions.asked.get(name, {}).values())
        is_asked = all(one.is_complete for one in asked) or not any(test.certified for test in mine)
        stands = make_due_test(question.wanted, mine, question.run, may_test=is_asked and not question.pool_awaited)
        now = stands.made if question.routes else []  # else nothing was tested
        made += now
        count("calibration_tests", len(now))
        account = AlphaAccount([*mine, *now], opinions.guarantee.delta)
        found[name] = guarantee_of(question, stands, account, asked)
    return made, found


def guarantee_of(
    question: Certification, stands: Standing, account: AlphaAccount, asked: Sequence[Asked] = ()
) -> Guarantee:
    """Say what holds for one capability, in numbers and in words.

    Args:
        question: what was asked.
        stands: where it stands.
        account: of delta after it.
        asked: how far language models were asked.
    """
    answers, terms, test = question.answers, question.wanted.terms, stands.holds
    routed = accepted_by(answers.pool, test.results, len(question.pool))
    accepted = int((routed >= 0).sum())
    clips = question.wanted.labels
    pool = len(question.pool) + sum(question.ineligible.pool.values())
    left = max(terms["delta"] - account.spent(clips), 0.0)
    is_waiting = stands.due is not None and not stands.made
    found = Guarantee(
        alpha=terms["alpha"],
        delta=terms["delta"],
        per_class=terms["per_class"],
        calibration={
            "sample": question.sample.value,
            "clips": len(clips),
            "tested": len(test.labels),
            "ineligible": dict(question.ineligible.calibration),
        },
        sources=[
            _measured(source, mine, answers) for source, mine in zip(answers.pool, answers.calibration, strict=True)
        ],
        results=test.results,
        pool=pool,
        pool_ineligible=dict(question.ineligible.pool),
        pool_awaited=question.pool_awaited if is_waiting else 0,
        accepted=accepted,
        coverage=accepted / pool if pool else None,
        error_bound=terms["alpha"] if test.certified else None,
        delta_of_this_test=test.delta,
        delta_spent=terms["delta"] - left,
        delta_left=left,
        labels_needed=stands.labels_needed,
        llm_clips_spared=sum(one.spared for one in asked),
        answers_awaited=sum(one.unanswered for one in asked) if is_waiting else 0,
        human_price=answers.human_price,
        cost_per_correct=_cost(answers, test),
    )
    return replace(found, message=message(question.wanted.capability, asdict(found)))


def _measured(source: Source, on_calibration: Source, answers: SourceAnswers) -> dict[str, Any]:
    answered = np.isfinite(on_calibration.confidence)
    right = int((on_calibration.answers == answers.truth)[answered].sum())
    known = int(answered.sum())
    return {
        "source": source.name,
        "price": round(source.price, 9),
        "answers": int(np.isfinite(source.confidence).sum()),
        "calibration_answers": known,
        "right": right,
        "accuracy": round(right / known, 4) if known else None,
        "accuracy_ci95": share_interval(right, known),
    }


def _cost(answers: SourceAnswers, test: CertificationTest) -> dict[str, Any]:
    """Foretell US dollars for a correct label of a new clip, as seen on the calibration clips, whose price is left out.

    All sources are asked, but for a language model where a label is certified before its turn.
    """
    clips = len(answers.truth)
    if not test.certified or not clips:
        return {"value": answers.human_price, "ci95": None}
    sources = answers.calibration
    routed = accepted_by(sources, test.results, clips)
    paid = np.where(routed < 0, answers.human_price, 0.0)
    for source, pool in zip(sources, answers.pool, strict=True):
        is_asked = np.isfinite(source.confidence)
        if kind_of(source.name) == AnnotatorKind.LLM:
            is_asked &= ~accepted_before(sources, test.results, clips, source.name)
        paid += np.where(is_asked, pool.price, 0.0)
    said = np.column_stack([source.answers for source in sources])
    taken = said[np.arange(clips), np.maximum(routed, 0)]
    right = ((routed < 0) | (taken == answers.truth)).astype(float)
    return {"value": float(round(paid.sum() / max(right.sum(), 1), 9)), "ci95": ratio_interval(paid, right)}


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
    interval = f" ({' to '.join(map(dollars, cost['ci95']))})" if cost["ci95"] else ""
    return (
        f"{found['accepted']} of {found['pool']} clips that no person has seen have a certified label. With "
        f"{1 - found['delta']:.0%} confidence at most {found['alpha']:.0%} of such labels"
        f"{', of each answer,' if found['per_class'] else ''} are wrong. Of {accepted} calibration clips with one, "
        f"{wrong} {'was' if wrong == 1 else 'were'} wrong. A correct label of a new clip is expected to cost "
        f"{dollars(cost['value'])}{interval}, by people alone {dollars(found['human_price'])}"
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
