from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from cu_pipeline.core.errors import Reason
from cu_pipeline.sample import phrases
from cu_pipeline.sample.clip_plans import plan_world
from cu_pipeline.sample.options import Alteration, Drift, SampleOptions
from cu_pipeline.sample.shot import REASONS, Damage
from cu_pipeline.sample.world import MOTION_PAIR, NEW_TOPIC, SAFETY, TOPIC_CARRIERS, TOPICS, Carrier

PLAIN = {"near_duplicates": 0, "broken": 0}


def usable(plans):
    return [plan for plan in plans if not plan.expected_reason]


def originals(plans):
    return [plan for plan in usable(plans) if not plan.near_duplicate_of]


@pytest.fixture(scope="module")
def world():
    return originals(plan_world(SampleOptions(clips=240)))


def test_equal_options_plan_equal_worlds():
    assert plan_world(SampleOptions(clips=30)) == plan_world(SampleOptions(clips=30))
    assert plan_world(SampleOptions(clips=30)) != plan_world(SampleOptions(clips=30, seed=18))


def test_adding_clips_leaves_earlier_ones_as_they_are():
    few, many = (plan_world(SampleOptions(clips=clips, near_duplicates=0.3)) for clips in (40, 90))
    assert originals(many)[:40] == originals(few)
    later = {plan.clip_id: plan for plan in usable(many)}
    assert all(later[plan.clip_id] == plan for plan in usable(few))


def test_clip_ids_are_unique_but_for_the_repeated_row():
    plans = plan_world(SampleOptions(clips=60, near_duplicates=1))
    ids = Counter(plan.clip_id for plan in plans)
    repeated = [plan.clip_id for plan in plans if plan.expected_reason == Reason.DUPLICATE_ID]
    assert [name for name, times in ids.items() if times > 1] == repeated


def test_every_topic_is_equally_frequent(world):
    assert Counter(plan.topic for plan in world) == dict.fromkeys(TOPICS, 40)


def test_carriers_of_each_topic_have_the_stated_shares(world):
    for topic in TOPICS:
        expected = Counter(
            tuple(Carrier.MOTION if topic in MOTION_PAIR and c is Carrier.PICTURE else c for c in carriers)
            for carriers in TOPIC_CARRIERS
            for _ in range(2)
        )
        assert Counter(plan.carriers for plan in world if plan.topic == topic) == expected


def test_no_carrier_alone_tells_every_clip_and_most_clips_have_two(world):
    seen = Counter(carrier for plan in world for carrier in plan.carriers)
    share = {carrier: seen[carrier] / len(world) for carrier in seen}
    assert 0.6 < share[Carrier.PICTURE] + share[Carrier.MOTION] < 0.8
    assert 0.6 < share[Carrier.CAPTION] < 0.7
    assert 0.2 < share[Carrier.OVERLAY] < 0.3
    assert sum(len(plan.carriers) > 1 for plan in world) / len(world) == 0.65


def test_picture_shows_the_topic_only_where_it_carries_it(world):
    for plan in world:
        shown = {Carrier.PICTURE, Carrier.MOTION} & set(plan.carriers)
        assert plan.shot.scene == (("site" if plan.topic in MOTION_PAIR else plan.topic) if shown else "generic")
        assert plan.shot.reverse == (plan.topic == "demolition" and bool(shown))


def test_caption_hides_the_topic_where_it_does_not_carry_it(world):
    tags = {tag for table in phrases.TAGS.values() for tag in table}
    openings = {
        lang: {text.split("{")[0].lower() for text in (*phrases.FILLERS[lang], *phrases.SITE[lang])}
        for lang in phrases.FILLERS
    }
    for plan in world:
        if Carrier.CAPTION not in plan.carriers:
            assert not tags & set(plan.text.split())
            assert any(plan.text.lower().startswith(opening) for opening in openings[plan.lang])


def test_safety_shows_exactly_in_its_carriers(world):
    assert {name for plan in world for name in plan.safety} == set(SAFETY)
    assert 0.5 < sum(not plan.safety for plan in world) / len(world) < 0.6
    for plan in world:
        where = dict(zip(plan.safety, plan.safety_carriers, strict=True))
        assert bool(plan.shot.badge) == (Carrier.PICTURE in where.get("advert", ()))
        assert plan.shot.impacts == (Carrier.PICTURE in where.get("violence", ()))
        lines = sum(Carrier.OVERLAY in carriers for carriers in (plan.carriers, *where.values()))
        assert len(plan.shot.overlay) == lines or (lines == 0 and len(plan.shot.overlay) == 1)


def test_languages_and_dates_look_like_a_feed(world):
    langs = Counter(plan.lang for plan in world)
    assert langs["en"] / len(world) > 0.6
    assert langs["es"] > 0
    assert langs["de"] > 0
    assert all(a.posted_at < b.posted_at for a, b in pairwise(world))


def test_text_on_screen_can_be_drawn(world):
    assert all(line.isascii() for plan in world for line in (*plan.shot.overlay, plan.shot.badge))


def test_copies_keep_the_truth_and_name_what_was_done():
    plans = usable(plan_world(SampleOptions(clips=70, near_duplicates=1)))
    sources = {plan.clip_id: plan for plan in plans if not plan.near_duplicate_of}
    copies = [plan for plan in plans if plan.near_duplicate_of]
    assert Counter(plan.shot.alteration for plan in copies) == dict.fromkeys(Alteration, 10)
    for copy in copies:
        source = sources[copy.near_duplicate_of]
        assert (copy.topic, copy.safety, copy.carriers) == (source.topic, source.safety, source.carriers)
        assert copy.posted_at > source.posted_at
        assert (copy.text == source.text) == (copy.shot.alteration != "recaptioned")
    stolen = sum(copy.creator != sources[copy.near_duplicate_of].creator for copy in copies)
    assert stolen > len(copies) / 2


@pytest.mark.parametrize(("share", "copies"), [(0, 0), (0.05, 2), (0.5, 20), (1, 40)])
def test_number_and_kinds_of_copies_are_chosen(share, copies):
    options = SampleOptions(clips=40, near_duplicates=share, alterations=["mirrored"])
    kinds = [plan.shot.alteration for plan in usable(plan_world(options)) if plan.near_duplicate_of]
    assert kinds == ["mirrored"] * copies


def test_broken_rows_come_in_each_kind_with_its_reason():
    broken = [plan for plan in plan_world(SampleOptions(clips=20, broken=12)) if plan.expected_reason]
    assert Counter(plan.expected_reason for plan in broken) == dict.fromkeys(REASONS.values(), 2)
    assert all(REASONS[Damage(plan.shot.damage)] == plan.expected_reason for plan in broken if plan.shot.damage)


def test_one_broken_row_of_a_one_clip_world_can_be_planned():
    assert len(plan_world(SampleOptions(clips=1, broken=6))) == 7


def test_new_topic_comes_at_its_share():
    plans = plan_world(SampleOptions(clips=400, drift=Drift(new_topic=0.25), **PLAIN))
    share = sum(plan.topic == NEW_TOPIC for plan in plans) / len(plans)
    assert share == pytest.approx(0.25, abs=0.065)
    assert any(label == NEW_TOPIC for plan in plans for _, label in plan.annotations)


def test_new_style_changes_pictures_and_nothing_else():
    before, after = (
        plan_world(SampleOptions(clips=200, drift=drift, **PLAIN)) for drift in (Drift(), Drift(new_style=0.4))
    )
    assert [plan.topic for plan in before] == [plan.topic for plan in after]
    assert [plan.text for plan in before] == [plan.text for plan in after]
    assert [plan.shot for plan in before] == [replace(plan.shot, neon=False) for plan in after]
    assert sum(plan.shot.neon for plan in after) / 200 == pytest.approx(0.4, abs=0.11)
    assert not {plan.clip_id for plan in before} & {plan.clip_id for plan in after}


def test_new_slang_changes_captions_and_nothing_else():
    before, after = (
        plan_world(SampleOptions(clips=200, drift=drift, **PLAIN)) for drift in (Drift(), Drift(new_slang=0.5))
    )
    assert [plan.shot for plan in before] == [plan.shot for plan in after]

    def slangy(plans):
        return sum(any(word in plan.text.lower() for word in phrases.NEW_CLOSERS) for plan in plans) / len(plans)

    assert slangy(before) == 0
    assert slangy(after) == pytest.approx(0.5, abs=0.11)


def test_changed_mix_moves_topics_to_other_shares():
    plans = plan_world(SampleOptions(clips=400, drift=Drift(mix=1), **PLAIN))
    topics = Counter(plan.topic for plan in plans)
    assert topics["pets"] / 400 == pytest.approx(0.45, abs=0.08)
    assert topics["demolition"] / 400 < 0.05
