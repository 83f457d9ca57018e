"""What a real feed also has: clips uploaded again with small changes, and rows that cannot be used."""

from collections.abc import Iterator
from dataclasses import replace

from cu_pipeline.sample import captions
from cu_pipeline.sample.creators import creator
from cu_pipeline.sample.damage import REASONS, Damage
from cu_pipeline.sample.options import Alteration, SampleOptions
from cu_pipeline.sample.plan import ClipPlan, clip_id, labelled, original, posted_at
from cu_pipeline.sample.world import Carrier, stream


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
        text = captions.caption(
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
