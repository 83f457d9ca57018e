"""The queue of clips that people are asked about."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.counters import count
from cu_pipeline.core.hashing import unit_interval
from cu_pipeline.core.lean import below, distinct, last_of_each, numbered, places, rows_where, told_of
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.features.clip_features import ClipFeatures
from cu_pipeline.ingest.served_clips import SERVED
from cu_pipeline.labeling.copies import on_originals, originals
from cu_pipeline.labeling.people.batches import Review, State, people_annotations
from cu_pipeline.labeling.people.options import QueueOptions
from cu_pipeline.labeling.people.random_draws import draw_at_random, with_people
from cu_pipeline.labeling.people.requests import LabelRequest, Purpose, requested_clips
from cu_pipeline.labeling.people.tasks import Task, asking, machine_predictions, queue_task, tie_task
from cu_pipeline.labeling.people.value import Known, most_valued, uncertainty
from cu_pipeline.labeling.people.votes import GOLD
from cu_pipeline.labeling.people.work_log import AnswerState, Draw
from cu_pipeline.labeling.sources.source import TIE

_USED: Final = ["clip_id", "annotator", "capability"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class QueueTerms:
    """On which terms people are asked.

    Attributes:
        options: of the queue.
        price: US dollars for one label by one person.
        lacking: capability -> labelled random draws that the certificate of machines' labels lacks.
        features: finds the stored features of clips, by which the most useful are chosen; None: captions tell alone.
        requested: clip -> what an iteration of the loop asks for; while any of these waits, nothing else is queued but
            clips with a known answer.
    """

    options: QueueOptions
    price: float
    lacking: Mapping[str, int] = field(default_factory=dict)
    features: Callable[[pd.DataFrame], ClipFeatures] | None = None
    requested: Mapping[str, LabelRequest] = field(default_factory=dict)


@dataclass(frozen=True)
class _Slots:
    """How many clips there is room and money for.

    Attributes:
        asked: those whose answer is not known.
        random: share of them that is drawn at random.
        gold: those whose answer is known.
    """

    asked: int
    random: int
    gold: int


def plan_queue(
    clips: pd.DataFrame,
    duplicates: pd.DataFrame,
    annotations: pd.DataFrame,
    labels: pd.DataFrame,
    resolved: ResolvedCapabilities,
    reviews: Sequence[Review],
    terms: QueueTerms,
) -> list[Task]:
    """Choose the clips that people should label next.

    Of clips with the same media and caption one stands for all. Those that have all their answers or are out in a
    batch are left out. A share is drawn at random: the clips with the lowest hashes, so that the draw is uniform and
    stays while others are labelled; but not of the feed `served`, where a draw can certify nothing. It is larger where
    a certificate lacks more draws than that, unless people would have to look at all clips before. The others are those
    whose answers teach most, before them those on which people's votes are even, since one more vote decides them.
    Clips with a known answer are mixed in, those first that were shown the fewest times.

    Only a clip that was chosen by value shows what machines think: who sees their answer agrees with it too readily,
    which would spoil the random sample that measures them, and gold.

    Args:
        clips: the table of usable clips.
        duplicates: groups of near-duplicates.
        annotations: of all kinds, from the feed and from accepted batches.
        labels: with their probabilities.
        resolved: the capabilities that are asked about, of a clip all that apply to it, in one task.
        reviews: of the batches that were opened so far.
        terms: on which they are asked.

    Returns:
        Tasks for Label Studio, the most useful first; `meta.draw` says how a clip was chosen, and `meta.capabilities`
        what is asked about it where that is not all.
    """
    options, capabilities = terms.options, resolved.active
    even = labels[(labels["source"] == TIE) & labels["capability"].isin(list(capabilities))]
    waiting = _waiting(clips, annotations, resolved, reviews, options.redundancy, even)
    requested = requested_clips(waiting, terms.requested)
    waiting = waiting if requested.empty else requested
    gold = _gold_clips(clips, annotations, capabilities, reviews)
    left = options.budget_usd - sum(one.committed for one in reviews)
    asked = np.concatenate([_questions(one, clips, resolved) for one in (waiting["clip_id"], gold)])
    affordable = _affordable(left, terms.price * options.redundancy, asked)
    slots = _slots(len(waiting), len(gold), options.max_clips if affordable is None else affordable, options)
    truth = _gold_truth(gold.iloc[: slots.gold], annotations, capabilities)
    golden = clips[clips["clip_id"].isin(list(truth))]
    named = {item.clip_id for one in reviews for item in one.batch.items}
    questions = asked_of(
        clips[clips["clip_id"].isin(waiting["clip_id"]) | clips["clip_id"].isin([*truth, *named])], resolved
    )
    if not requested.empty:
        chosen = requested.iloc[: slots.asked]
        shown = [name for name in chosen["clip_id"] if terms.requested[name].purpose is Purpose.VALUE]
        thought = machine_predictions(labels, annotations, shown, capabilities)
        tasks = _mixed(
            [queue_task(clip, Draw.VALUE, thought.get(clip["clip_id"], [])) for clip in _rows(chosen)],
            [queue_task(clip, Draw.GOLD, [], truth[clip["clip_id"]]) for clip in _rows(golden)],
        )
        _log.info(
            "%d of %d clips that an iteration asks for wait for people, and %d with a known answer",
            len(chosen), len(requested), len(golden),
        )  # fmt: skip
        return _asked(tasks, questions, capabilities)
    waiting = waiting.assign(uncertainty=uncertainty(labels, waiting["clip_id"].tolist(), capabilities, questions))
    undecided = waiting["clip_id"].isin(even["clip_id"])
    ties, waiting = waiting[undecided], waiting[~undecided]
    could_be_drawn = waiting.loc[waiting["feed"] != SERVED, "clip_id"].tolist()
    share = min(slots.random, len(could_be_drawn))
    ties = ties.iloc[: slots.asked - share]
    out = with_people(reviews, questions)
    draws, shortages = draw_at_random(
        could_be_drawn,
        questions,
        share,
        {name: (number, out[name]) for name, number in terms.lacking.items()},
        slots.asked - share - len(ties),
        terms.price * options.redundancy,
    )
    is_drawn = waiting["clip_id"].isin(draws)
    drawn, rest = waiting[is_drawn], waiting[~is_drawn]
    known = Known(clips, duplicates, labels, _out(reviews), capabilities, questions, terms.features)
    valued = most_valued(rest, drawn, known, slots.asked - len(ties) - len(drawn), options.strategy)
    votes = _answers_by_clip(reviews)
    thought = machine_predictions(labels, annotations, valued["clip_id"].tolist(), capabilities)
    tasks = _mixed(
        [queue_task(clip, Draw.RANDOM, []) for clip in _rows(drawn)],
        [tie_task(clip, votes[clip["clip_id"]]) for clip in _rows(ties)]
        + [queue_task(clip, Draw.VALUE, thought.get(clip["clip_id"], [])) for clip in _rows(valued)],
        [queue_task(clip, Draw.GOLD, [], truth[clip["clip_id"]]) for clip in _rows(golden)],
    )
    queue = _asked(tasks, questions, capabilities)
    _log.info(
        "%d clips wait for people: %d drawn at random, %d on which votes are even, %d by value, and %d with a known "
        "answer; %d more could be asked about (parameters label.queue.max_clips, budget_usd)",
        len(queue), len(drawn), len(ties), len(valued), slots.gold,
        len(waiting) + undecided.sum() - len(drawn) - len(ties) - len(valued),
    )  # fmt: skip
    for shortage in shortages:
        _log.info(shortage.message(_bound(options, left, affordable)))
    return queue


def _asked(
    tasks: Sequence[Task], questions: Mapping[str, Sequence[str]], capabilities: Mapping[str, Capability]
) -> list[Task]:
    """Note in each task what is asked, and count those whose answer is not known."""
    count("clips_queued", sum(task["meta"]["draw"] != Draw.GOLD for task in tasks))
    return [asking(task, questions[task["data"]["clip_id"]], list(capabilities)) for task in tasks]


def _bound(options: QueueOptions, left: float, affordable: int | None) -> str:
    """Say what keeps the queue from being longer."""
    if affordable is None or affordable >= options.max_clips:
        return f"label.queue.max_clips={options.max_clips} leaves no room for them"
    return f"${max(left, 0):.2f} of label.queue.budget_usd={options.budget_usd:g} are left"


def asked_of(clips: pd.DataFrame, resolved: ResolvedCapabilities) -> dict[str, tuple[str, ...]]:
    """Find for each clip the capabilities that apply to it, by `clip_id`, in the order of the capabilities."""
    found: dict[str, tuple[str, ...]] = dict.fromkeys(clips["clip_id"], ())
    for name in resolved.active:
        for clip in resolved.clips_of(name, clips)["clip_id"]:
            found[clip] = (*found[clip], name)
    return found


def _waiting(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    resolved: ResolvedCapabilities,
    reviews: Sequence[Review],
    redundancy: int,
    even: pd.DataFrame,
) -> pd.DataFrame:
    """Find the clips that people may be asked about, one of each content, in the order of their hashes.

    Args:
        clips: the table of usable clips.
        annotations: of all kinds.
        resolved: the capabilities that are asked about.
        reviews: of the batches that were opened so far.
        redundancy: answers that are enough, where they are not even.
        even: labels on which people's votes are even.
    """
    people = below([annotations, people_annotations(reviews)])
    people = rows_where(people[_USED], (people["kind"] == AnnotatorKind.HUMAN) & (people["label"] != ""))
    out, ids = pd.Series(list(_out(reviews)), dtype=object), clips["clip_id"]
    lacking = np.zeros(len(clips), dtype=np.bool_)
    for name in resolved.active:
        content = originals(resolved.clips_of(name, clips))
        mine = on_originals(rows_where(people, people["capability"] == name), content)
        missing = ids.isin(content) & ~ids.isin(_answered(mine, redundancy))
        missing |= ids.isin(_originals_of(even.loc[even["capability"] == name, "clip_id"], content))
        lacking |= (missing & ~ids.isin(_originals_of(out, content))).to_numpy(dtype=np.bool_)
    one_each = clips[lacking]
    chances = told_of(one_each["clip_id"], lambda name: unit_interval(f"queue/{name}"), np.float64)
    return one_each.iloc[np.argsort(chances, kind="stable")]


def _answered(votes: pd.DataFrame, redundancy: int) -> "pd.Series[str]":
    """Find the clips that have answers enough, each once."""
    votes = rows_where(votes, last_of_each(votes, ["clip_id", "annotator"]))
    clip = numbered(votes["clip_id"])
    golden = np.bincount(
        clip[(votes["annotator"] == GOLD).to_numpy(dtype=bool)], minlength=int(clip.max(initial=-1)) + 1
    )
    enough = (np.bincount(clip, minlength=len(golden)) >= redundancy) | (golden > 0)
    return votes["clip_id"][enough[clip]].drop_duplicates()


def _originals_of(clip_ids: "pd.Series[str]", content: "pd.Series[str]") -> "pd.Series[str]":
    """Name the originals of the clips that there are."""
    place = places(clip_ids, content.index)
    return content.iloc[place[place >= 0]]


def _answers_by_clip(reviews: Iterable[Review]) -> Counter[str]:
    """Count the answers of people to each clip of a batch."""
    return Counter(clip for one in reviews for clip, answers in one.answers.items() for _ in answers)


def _out(reviews: Iterable[Review]) -> set[str]:
    """Find the clips of batches that are not done, and those that people skipped in accepted ones."""
    undecided = {item.clip_id for one in reviews if one.state is not State.DONE for item in one.batch.items}
    skipped = {
        clip
        for one in reviews
        if one.accepted
        for clip, answers in one.answers.items()
        if any(answer.state is AnswerState.SKIPPED for answer in answers)
    }
    return undecided | skipped


def _golden(annotations: pd.DataFrame, capabilities: Mapping[str, Capability]) -> "pd.Series[bool]":
    """Say which annotations are right labels of the feed's own."""
    known = annotations["capability"].isin(list(capabilities))
    return (annotations["annotator"] == GOLD) & (annotations["kind"] == AnnotatorKind.HUMAN) & known


def _gold_clips(
    clips: pd.DataFrame, annotations: pd.DataFrame, capabilities: Mapping[str, Capability], reviews: Sequence[Review]
) -> "pd.Series[str]":
    """List the clips whose answer is known, those first that were shown the fewest times."""
    mine = distinct(annotations.loc[_golden(annotations, capabilities), "clip_id"])
    found = pd.Series(mine[mine.isin(clips["clip_id"])])
    shown = Counter(item.clip_id for one in reviews for item in one.batch.items if item.draw is Draw.GOLD)
    times = np.zeros(len(found), dtype=np.int64)
    place = places(list(shown), found)
    times[place[place >= 0]] = np.fromiter(shown.values(), np.int64, len(shown))[place >= 0]
    chances = told_of(found, lambda clip: unit_interval(f"gold/{clip}"), np.float64)
    return found.iloc[np.lexsort((chances, times))].reset_index(drop=True)


def _gold_truth(
    clip_ids: "pd.Series[str]", annotations: pd.DataFrame, capabilities: Mapping[str, Capability]
) -> dict[str, dict[str, str]]:
    """Collect clip -> capability -> right label."""
    rows = annotations[_golden(annotations, capabilities) & annotations["clip_id"].isin(clip_ids)]
    truth: dict[str, dict[str, str]] = {clip: {} for clip in clip_ids}
    for clip, capability, label in zip(rows["clip_id"], rows["capability"], rows["label"], strict=True):
        truth[clip][capability] = label
    return truth


def _questions(clip_ids: "pd.Series[str]", clips: pd.DataFrame, resolved: ResolvedCapabilities) -> NDArray[np.int64]:
    """Count the capabilities that apply to each clip, (n,)."""
    number = np.zeros(len(clip_ids), dtype=np.int64)
    for name in resolved.active:
        inside = resolved.clips_of(name, clips)
        number += 1 if inside is clips else clip_ids.isin(inside["clip_id"]).to_numpy(dtype=np.int64)
    return number


def _affordable(budget: float, price: float, questions: NDArray[np.int64]) -> int | None:
    """Say about how many clips people can be asked within a budget, even if it is the dearest; None: about all.

    Args:
        budget: US dollars.
        price: of one question, to all who answer it.
        questions: that each clip asks.
    """
    spent = np.cumsum(np.sort(questions * price)[::-1])
    number = int(np.searchsorted(spent, budget + 1e-9, side="right"))
    return None if number == len(questions) and budget >= 0 else number


def _slots(waiting: int, gold: int, affordable: int, options: QueueOptions) -> _Slots:
    room = max(min(options.max_clips, affordable), 0)
    most_golden = min(gold, math.floor(room * options.gold_share))
    asked = min(waiting, room - most_golden)
    golden = min(most_golden, round(asked * options.gold_share / (1 - options.gold_share)))
    random = min(math.ceil(asked * options.random_share), asked)
    return _Slots(asked=asked, random=random, gold=golden)


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _mixed(*lists: list[Task]) -> list[Task]:
    """Spread each list evenly over the whole, keeping its order but not a regular distance."""
    placed = [
        ((place + unit_interval(f"place/{task['data']['clip_id']}")) / len(one), number, task)
        for number, one in enumerate(lists)
        for place, task in enumerate(one)
    ]
    return [task for _, _, task in sorted(placed, key=lambda entry: entry[:2])]
