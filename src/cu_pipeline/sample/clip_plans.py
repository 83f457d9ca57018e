"""From options to a list of clips with their truth: originals, copies uploaded again, rows that cannot be used."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cu_pipeline.core.capability import Kind, join_label
from cu_pipeline.core.hashing import json_sha256, unit_interval
from cu_pipeline.sample import phrases, wording
from cu_pipeline.sample.options import Alteration, SampleOptions
from cu_pipeline.sample.people import SAFETY_LABELS, chosen_annotators, creator, opinions
from cu_pipeline.sample.shot import REASONS, Damage, Shot
from cu_pipeline.sample.world import (
    MOTION_PAIR,
    NEW_TOPIC,
    SAFETY_CARRIERS,
    SAFETY_DECK,
    SKEWED_MIX,
    TOPIC_CARRIERS,
    TOPICS,
    Carrier,
    dealt,
    stream,
)


@dataclass(frozen=True)
class ClipPlan:
    """One row of the feed and the truth about it.

    Attributes:
        number: place in the endless feed.
        safety: classes that hold; a subset of `SAFETY`.
        carriers: where the topic shows.
        safety_carriers: where each class of `safety` shows.
        text: the caption.
        shot: what the media file shows; its path follows from it.
        drifted: kinds of drift that this clip has; a subset of the fields of `Drift`.
        drawn: whether it was drawn at random for an expert, who gave `label` and `label_safety`.
        near_duplicate_of: the original's `clip_id`; empty for an original.
        expected_reason: the `Reason` for which the row must be refused; empty for a usable clip.
    """

    number: int
    clip_id: str
    topic: str
    safety: tuple[str, ...]
    carriers: tuple[Carrier, ...]
    safety_carriers: tuple[tuple[Carrier, ...], ...]
    creator: str
    lang: str
    posted_at: str
    text: str
    shot: Shot
    drifted: tuple[str, ...] = ()
    label: str = ""
    label_safety: str = ""
    drawn: bool = False
    annotations: tuple[tuple[str, str], ...] = ()
    annotations_safety: tuple[tuple[str, str], ...] = ()
    near_duplicate_of: str = ""
    expected_reason: str = ""

    @property
    def path(self) -> str:
        """The media file, relative to the manifest."""
        return f"media/{self.clip_id}-{self.shot.key}.mp4"


def clip_id(options: SampleOptions, *key: object) -> str:
    """Make the id of the clip of `key`: hex, since a number would tell its age."""
    drift = options.drift.model_dump() if options.drift.active else {}
    return "v" + json_sha256([options.seed, drift, *map(str, key)])[:11]


def original(options: SampleOptions, number: int) -> ClipPlan:
    """Plan the original clip at `number` of the feed, without its labels."""
    key = (options.seed, number)
    topic = _topic(options, number)
    carriers = _topic_carriers(options, number, topic)
    safety = dealt(SAFETY_DECK, number, options.seed, "safety")
    safety_carriers = tuple(dealt(SAFETY_CARRIERS, number, options.seed, name) for name in safety)
    author = creator(options.seed, int(stream(*key, "author").integers(options.creators)))
    drifted = _drifted(options, number, topic)

    def shown(carrier: Carrier) -> list[str]:
        return [name for name, where in zip(safety, safety_carriers, strict=True) if carrier in where]

    text = wording.caption(
        stream(*key, "caption"),
        topic=topic,
        shown=shown(Carrier.CAPTION),
        lang=author.lang,
        told=Carrier.CAPTION in carriers,
        new_slang="new_slang" in drifted,
    )
    told = [topic] * (Carrier.OVERLAY in carriers) + shown(Carrier.OVERLAY)
    pictured = shown(Carrier.PICTURE)
    rng = stream(*key, "overlay")
    shot = replace(
        _filmed(options, number, topic if {Carrier.PICTURE, Carrier.MOTION} & set(carriers) else "generic"),
        look=author.look,
        overlay=wording.overlay(rng, told=told, lang=author.lang),
        badge=wording.fill(rng, wording.pick(rng, phrases.BADGES)) if "advert" in pictured else "",
        impacts="violence" in pictured,
        neon="new_style" in drifted,
    )
    return ClipPlan(
        number=number,
        clip_id=clip_id(options, number),
        topic=topic,
        safety=safety,
        carriers=carriers,
        safety_carriers=safety_carriers,
        creator=author.handle,
        lang=author.lang,
        posted_at=posted_at(options, number),
        text=text,
        shot=shot,
        drifted=drifted,
    )


def labelled(options: SampleOptions, plan: ClipPlan) -> ClipPlan:
    """Add what people said about a clip: annotations with mistakes, and an expert's labels for a few."""
    key = (options.seed, plan.clip_id)
    if unit_interval(f"{key}/unlabelled") < options.unlabelled:
        return plan
    safety = join_label(plan.safety, Kind.MULTI)
    names = chosen_annotators(options.annotators, *key)
    gold = unit_interval(f"{key}/gold") < options.gold
    return replace(
        plan,
        label=plan.topic if gold else "",
        label_safety=safety if gold else "",
        drawn=gold,
        annotations=tuple(opinions(names, plan.topic, options.classes, *key, "topic").items()),
        annotations_safety=tuple(opinions(names, safety, SAFETY_LABELS, *key, "safety").items()),
    )


def posted_at(options: SampleOptions, number: int, days_later: float = 0) -> str:
    """Say when the clip at `number` was posted; later numbers are later."""
    jitter = unit_interval(f"{options.seed}/{number}/posted")
    hours = (number + jitter) * options.hours_between + days_later * 24
    moment = datetime.fromisoformat(options.start) + timedelta(hours=hours)
    return moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _topic(options: SampleOptions, number: int) -> str:
    rng = stream(options.seed, number, "drift")
    moved, renewed, other = rng.random(), rng.random(), str(rng.choice(TOPICS, p=SKEWED_MIX))
    if renewed < options.drift.new_topic:
        return NEW_TOPIC
    return other if moved < options.drift.mix else _usual_topic(options, number)


def _usual_topic(options: SampleOptions, number: int) -> str:
    return dealt(TOPICS, number, options.seed, "topic")


def _topic_carriers(options: SampleOptions, number: int, topic: str) -> tuple[Carrier, ...]:
    carriers = dealt(TOPIC_CARRIERS, number // len(TOPICS), options.seed, "carriers", topic)
    if topic not in MOTION_PAIR:
        return carriers
    return tuple(Carrier.MOTION if carrier is Carrier.PICTURE else carrier for carrier in carriers)


def _drifted(options: SampleOptions, number: int, topic: str) -> tuple[str, ...]:
    changed = {
        "new_topic": topic == NEW_TOPIC,
        "new_style": _happens(options, number, "new_style"),
        "new_slang": _happens(options, number, "new_slang"),
        "mix": topic not in {NEW_TOPIC, _usual_topic(options, number)},
    }
    return tuple(kind for kind, happens in changed.items() if happens)


def _happens(options: SampleOptions, number: int, kind: str) -> bool:
    return unit_interval(f"{options.seed}/{number}/{kind}") < getattr(options.drift, kind)


def _filmed(options: SampleOptions, number: int, subject: str) -> Shot:
    rng = stream(options.seed, number, "shot")
    return Shot(
        scene="site" if subject in MOTION_PAIR else subject,
        seed=int(rng.integers(2**31)),
        seconds=round(float(rng.uniform(2.0, 5.0)), 2),
        crf=int(rng.integers(26, 32)),
        reverse=subject == MOTION_PAIR[1],
    )


def plan_world(options: SampleOptions) -> list[ClipPlan]:
    """Plan all rows of the feed in order: originals, copies, rows that must be refused."""
    originals = [original(options, number) for number in range(options.first, options.first + options.clips)]
    rows = [*originals, *_copies(options, originals)]
    usable = [labelled(options, plan) for plan in rows]
    return [*usable, *_broken(options, usable)]


def _copies(options: SampleOptions, originals: list[ClipPlan]) -> Iterator[ClipPlan]:
    for plan in originals:
        done = int(plan.number * options.near_duplicates)
        if int((plan.number + 1) * options.near_duplicates) > done:
            yield _copy(options, plan, options.alterations[done % len(options.alterations)])


def _copy(options: SampleOptions, plan: ClipPlan, kind: Alteration) -> ClipPlan:
    rng = stream(options.seed, plan.number, "copy")
    author = creator(options.seed, int(rng.integers(options.creators)))
    stolen = rng.random() < 0.7
    text = plan.text
    if kind is Alteration.RECAPTIONED:
        where = zip(plan.safety, plan.safety_carriers, strict=True)
        text = wording.caption(
            rng,
            topic=plan.topic,
            shown=[name for name, carriers in where if Carrier.CAPTION in carriers],
            lang=plan.lang,
            told=Carrier.CAPTION in plan.carriers,
            new_slang="new_slang" in plan.drifted,
        )
    return replace(
        plan,
        clip_id=clip_id(options, plan.number, "copy"),
        creator=author.handle if stolen else plan.creator,
        posted_at=posted_at(options, plan.number, days_later=float(rng.uniform(0.5, 20))),
        text=text,
        shot=replace(plan.shot, alteration=kind.value, mark=f"@{author.handle}"),
        near_duplicate_of=plan.clip_id,
    )


def _broken(options: SampleOptions, usable: list[ClipPlan]) -> Iterator[ClipPlan]:
    kinds = list(Damage)
    for place in range(options.broken):
        kind = kinds[place % len(kinds)]
        row = original(options, options.first + place)
        row = replace(
            row, clip_id=clip_id(options, options.first, "broken", place), expected_reason=REASONS[kind].value
        )
        if kind is Damage.REPEATED:
            row = replace(usable[place % options.clips], expected_reason=REASONS[kind].value)
        else:
            row = labelled(options, replace(row, shot=replace(row.shot, damage=kind.value)))
        yield row
