"""The gate's rules on answers that are known."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.account import Account, GateTest
from cu_pipeline.evaluation.contest import Contest, slices
from cu_pipeline.evaluation.gate import decide
from cu_pipeline.evaluation.gate_options import GateOptions
from cu_pipeline.evaluation.metrics import ScoredClips

ALPHA = 0.05


def answers(right, sure=0.8):
    """Answers about clips that are all of the first class, named with the certainty `sure`."""
    right = np.asarray(right, dtype=bool)
    said = np.where(right[:, np.newaxis], [sure, 1 - sure], [1 - sure, sure])
    return ScoredClips.decide(Kind.SINGLE, np.tile([True, False], (len(right), 1)), said)


def contest(right, opposed=None, units=None, sure=0.8, **others):
    """A contest of models that are right or wrong as is told; every clip is a unit, if nothing else is said."""
    n = len(right)
    groups = [str(unit) for unit in (range(n) if units is None else units)]
    clips = pd.DataFrame({"clip_id": [f"c{row}" for row in range(n)], "group": groups, "lang": "", "metadata": "{}"})
    facts = {"alone": "there was no champion to compare it with"} if opposed is None else {"champion": "old"}
    return Contest(**{
        "capability": "topic", "challenger": "new", "champion": None, "clips": clips, "places": np.arange(n),
        "keys": tuple(f"k{row}" for row in range(n)), "shares": np.array([0.4, 0.6]), "answers": answers(right, sure),
        "opposed": None if opposed is None else answers(opposed, sure),
    } | facts | others)  # fmt: skip


def judged(one, baselines=None, entries=(), **options):
    account = Account("topic", entries, alone=bool(one.alone))
    return decide(one, baselines or {}, account, ALPHA, GateOptions(**options))


def share(n, of):
    """The first `of` of n are true."""
    return np.arange(n) < of


def test_a_clearly_better_challenger_is_promoted():
    decision, entries = judged(contest(share(100, 80), share(100, 50)))
    assert (decision.decision, decision.against) == ("promote", "champion")
    assert decision.effect == pytest.approx(0.3)
    assert 0 < decision.effect_shrunk <= decision.effect
    assert f"likely worth +{decision.effect_shrunk:.3f}" in decision.reasons[1]
    low, high = decision.interval
    assert low < 0.3 < high
    assert len(entries) == 1
    assert (entries[0].challenger, entries[0].champion, entries[0].clips) == ("new", "old", 100)
    assert decision.alpha == entries[0].alpha == pytest.approx(0.035)


def test_a_slightly_better_challenger_is_not_promoted_and_what_would_be_seen_is_told():
    decision, _ = judged(contest(share(100, 80), share(100, 79)))
    assert (decision.decision, decision.effect_shrunk) == ("keep", None)
    assert "not shown to be better" in decision.reasons[0]
    assert decision.reasons[-1].startswith("with 100 units a gain under ")
    assert decision.power["smallest_gain"] > 0.01


def test_clips_of_one_creator_count_as_one():
    """Ten clips each of six creators, four of whom the challenger gains."""
    right, opposed = np.repeat(share(6, 4), 10), np.zeros(60, dtype=bool)
    assert judged(contest(right, opposed))[0].decision == "promote"
    assert judged(contest(right, opposed, units=np.repeat(range(6), 10)))[0].decision == "keep"


def test_the_champion_is_not_promoted_over_itself_and_nothing_is_spent():
    decision, entries = judged(contest(share(9, 5), share(9, 5), champion="new"))
    assert (decision.decision, decision.reasons) == ("keep", ["the challenger is the champion: nothing changed"])
    assert entries == []
    assert decision.power["assumed"]


def test_each_further_challenger_is_tested_more_strictly():
    entries, levels = [], []
    for number in range(4):
        decision, made = judged(
            replace(contest(share(100, 50), share(100, 50)), challenger=f"new{number}"), entries=entries
        )
        entries, levels = entries + made, [*levels, decision.alpha]
    assert levels == pytest.approx([0.035, 0.0075, 0.0025, 0.00125])
    assert "as the clips have served 3 tests before" in decision.reasons[0]
    assert decision.account["spent"] == pytest.approx(0.045)


def test_the_same_challenger_is_answered_from_the_account_and_spends_nothing():
    """A test between: the level would now be lower than the p-value."""
    one = contest(share(100, 62), share(100, 50) ^ (np.arange(100) > 97))
    first, entries = judged(one)
    _, others = judged(replace(one, challenger="other"), entries=entries)
    again, made = judged(one, entries=[*entries, *others])
    assert first.decision == again.decision == "promote"
    assert first.alpha == again.alpha > again.account["alpha"]
    assert made == []
    assert "as when it was tested first, on 100 clips" in again.reasons[0]


def in_languages(n, of):
    """A column of languages: the first `of` clips are German."""
    return np.where(np.arange(n) < of, "de", "en")


def planted(loss, **options):
    """A challenger that gains 40 points in English and loses `loss` points in German, of 200 clips each."""
    german = np.arange(400) < 200
    opposed = np.where(german, np.arange(400) < 180, np.arange(400) % 2 == 0)
    right = np.where(german, np.arange(400) < 180 - 200 * loss, np.arange(400) % 10 != 0)
    one = contest(right, opposed)
    return judged(replace(one, clips=one.clips.assign(lang=in_languages(400, 200))), **options)[0]


def test_a_model_that_falls_by_15_points_in_one_language_is_not_promoted_and_the_language_is_named():
    decision = planted(0.15)
    assert decision.decision == "keep"
    assert decision.effect > 0.1
    reason = next(reason for reason in decision.reasons if "protected slice" in reason)
    assert reason.startswith("it falls by more than 5 points in a protected slice: lang=de -15.0 points on 200 clips")
    assert "lang=en" not in reason
    assert [row["name"] for row in decision.slices] == ["lang=de", "lang=en"]


def test_without_protection_or_within_the_margin_a_slice_may_fall():
    assert planted(0.15, protected_slices=()).decision == "promote"
    assert planted(0.15, slice_margin=0.2).decision == "promote"
    assert planted(0.0).decision == "promote"


def test_a_protected_column_that_no_clip_has_is_told():
    assert not any("protected by" in reason for reason in planted(0.0).reasons)
    reasons = planted(0.0, protected_slices=("metadata.contry",)).reasons
    assert any("no slice is protected by metadata.contry" in reason for reason in reasons)


def test_a_slice_that_falls_but_is_not_shown_to_is_told():
    decision = planted(0.07)
    assert decision.decision == "promote"
    assert any("the slice that falls most" in reason and "lang=de" in reason for reason in decision.reasons)


def test_clips_are_divided_by_columns_that_differ():
    one = contest(share(4, 4)).clips
    clips = one.assign(
        lang=["de", "en", "de", ""], feed="f", metadata=['{"size": "big"}', "{}", '{"size": "small"}', "{}"],
        media_sha256=["m", "", "m", "m"], text_sha256=["t", "t", "", "t"],
    )  # fmt: skip
    found = slices(clips, ["lang", "feed", "modality", "metadata.size"])
    assert {name: chosen.tolist() for name, chosen in found.items()} == {
        "lang=de": [True, False, True, False],
        "lang=en": [False, True, False, False],
        "modality=text": [False, True, False, False],
        "modality=video": [False, False, True, False],
        "modality=video and text": [True, False, False, True],
        "metadata.size=big": [True, False, False, False],
        "metadata.size=small": [False, False, True, False],
    }


def test_a_column_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="langs: allowed are lang, feed"):
        GateOptions(protected_slices=["langs"])


def test_a_model_that_stands_alone_must_be_better_than_the_majority():
    decision, entries = judged(contest(share(100, 80)))
    assert (decision.decision, decision.against, decision.effect) == ("promote", "majority", pytest.approx(0.8))
    assert entries[0].champion == ""
    poor, _ = judged(contest(share(100, 0)))
    assert poor.decision == "keep"
    assert any(reason.startswith("what would help: more labels") for reason in poor.reasons)


def test_what_models_that_stood_alone_have_spent_is_not_lacking_to_the_first_challenger():
    _, first = judged(contest(share(100, 80)))
    _, second = judged(replace(contest(share(100, 70)), challenger="second"), entries=first)
    assert [one.alpha for one in first + second] == pytest.approx([0.035, 0.0075])
    decision, _ = judged(replace(contest(share(100, 90), share(100, 80)), challenger="third"), entries=first + second)
    assert (decision.alpha, decision.account["made"]) == (pytest.approx(0.035), 0)


def test_a_model_that_stands_alone_must_not_be_worse_than_a_baseline():
    baselines = {"metadata_only": answers(share(100, 95)), "words": answers(share(100, 81))}
    decision, _ = judged(contest(share(100, 70)), baselines)
    assert decision.decision == "keep"
    assert any(
        reason.startswith("it is worse than what is simpler: metadata_only (+25.0") for reason in decision.reasons
    )
    assert [row["name"] for row in decision.baselines] == ["metadata_only", "words"]
    assert judged(contest(share(100, 80)), {"words": answers(share(100, 81))})[0].decision == "promote"


def test_baselines_are_asked_about_the_same_clips():
    one = contest(share(50, 50), places=np.arange(50, 100))
    decision, _ = judged(one, {"words": answers(share(100, 60))})
    assert decision.baselines[0]["effect"] == pytest.approx(0.8)


def test_a_model_that_is_far_too_sure_is_not_promoted():
    sure = contest(share(200, 140), share(200, 60), sure=0.999)
    decision, _ = judged(sure)
    assert decision.decision == "keep"
    assert any("30 points above the truth, more than the 20" in reason for reason in decision.reasons)
    assert judged(sure, calibration_bound=None)[0].decision == "promote"
    assert judged(sure, calibration_bound=0.35)[0].decision == "promote"


def test_a_model_that_is_not_worse_is_promoted_where_it_is_cheaper_or_better_calibrated_and_that_is_asked_for():
    equal = contest(share(400, 300), share(400, 300))
    cheaper = replace(equal, frugal=True)
    assert judged(cheaper)[0].decision == "keep"
    decision, _ = judged(cheaper, non_inferiority_margin=0.02)
    assert decision.decision == "promote"
    assert "not worse by more than 2 points" in decision.reasons[1]
    assert decision.reasons[1].endswith("reads fewer features")
    assert judged(equal, non_inferiority_margin=0.02)[0].decision == "keep"
    calmer = replace(equal, opposed=answers(share(400, 300), sure=0.999))
    decision, _ = judged(calmer, non_inferiority_margin=0.02)
    assert "its log-loss is lower" in decision.reasons[1]
    worse = replace(cheaper, answers=answers(share(400, 280)))
    assert judged(worse, non_inferiority_margin=0.02)[0].decision == "keep"


def test_clips_that_a_model_learned_from_are_told():
    decision, _ = judged(contest(share(100, 80), share(100, 50), learned=7))
    assert any(reason.startswith("7 labelled test clips are left out") for reason in decision.reasons)


def test_what_cannot_be_judged_is_kept_back_and_spends_nothing_unless_it_is_forced():
    one = contest(share(5, 5), obstacle="no clip of the test split has a label by people")
    decision, entries = judged(one)
    assert (decision.decision, decision.p_value, entries) == ("keep", None, [])
    forced, _ = judged(one, force=["topic"])
    assert (forced.decision, forced.forced) == ("promote", True)
    assert judged(one, force=["safety"])[0].decision == "keep"


def differing(own: int, other: int, clips: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """What two models get right: on `own` clips the first alone is right, on `other` the second alone."""
    place = np.arange(clips)
    return (place >= other), (place < other) | (place >= other + own)


def both(earlier: tuple[int, int], fresh: tuple[int, int], *, told: bool = True, **others):
    """A contest on 60 earlier and 60 fresh clips; of each part how often challenger and champion alone are right."""
    parts = [differing(*earlier), differing(*fresh)]
    challenger, champion = (np.concatenate(sides) for sides in zip(*parts, strict=True))
    return contest(challenger, champion, fresh=np.arange(120) >= 60 if told else None, **others)


def test_a_gain_on_what_the_service_saw_promotes_where_earlier_clips_would_hide_it() -> None:
    assert judged(both((10, 11), (10, 2)))[0].decision == "promote"
    assert judged(both((10, 11), (10, 2), told=False))[0].decision == "keep"


def test_a_gain_on_new_clips_at_the_cost_of_the_earlier_ones_promotes_nothing() -> None:
    decision, _ = judged(both((0, 4), (18, 0)))
    assert decision.decision == "keep"
    assert any("it falls by 6.7 points on the 60 test clips of before" in reason for reason in decision.reasons)
    assert judged(both((0, 4), (18, 0)), slice_margin=0.07)[0].decision == "promote"


def test_both_are_told_in_the_reasons_and_as_numbers() -> None:
    decision, _ = judged(both((10, 11), (10, 2)))
    assert decision.fresh["effect"] == pytest.approx(8 / 60)
    assert decision.fresh["earlier_effect"] == pytest.approx(-1 / 60)
    assert (decision.fresh["clips"], decision.fresh["units"], decision.fresh["earlier_clips"]) == (60, 60, 60)
    assert any("on 60 of them, drawn from what the service saw, it is +13.3 points" in one for one in decision.reasons)


def test_fresh_clips_do_not_pay_for_what_those_of_before_were_used_for() -> None:
    entries = []
    for number in range(3):
        earlier = contest(*differing(3, 3), challenger=f"earlier {number}")
        entries += judged(earlier, entries=entries)[1]
    decision, _ = judged(both((3, 3), (9, 1)), entries=entries)
    assert (decision.decision, decision.alpha) == ("promote", pytest.approx(0.035))
    assert judged(both((3, 3), (9, 1), told=False), entries=entries)[0].alpha < 0.02
    assert judged(both((9, 1), (3, 3)), entries=entries)[0].decision == "keep", "clips of before do"


def test_a_doubted_champion_gives_way_to_a_model_that_is_not_worse_and_learned_from_what_the_service_saw() -> None:
    equal = both((2, 2), (2, 2), newer=True)
    assert judged(equal)[0].decision == "keep"
    decision, _ = judged(equal, non_inferiority_margin=0.1)
    assert decision.decision == "promote"
    assert any(one.endswith("learned from what the service saw since the champion did") for one in decision.reasons)
    assert judged(replace(equal, newer=False), non_inferiority_margin=0.1)[0].decision == "keep", "nothing is new"
    assert judged(both((2, 2), (0, 12), newer=True), non_inferiority_margin=0.1)[0].decision == "keep"


def test_few_units_of_fresh_clips_count_with_the_others() -> None:
    units = [*range(60), *([60] * 58), 61, 62]
    decision, _ = judged(both((10, 11), (10, 2), units=units))
    assert decision.fresh is None


def test_where_all_test_clips_are_fresh_there_is_no_other_part() -> None:
    decision, _ = judged(contest(share(60, 55), share(60, 40), fresh=np.ones(60, dtype=bool)))
    assert decision.decision == "promote"
    assert decision.fresh["earlier_effect"] is None


def test_equal_models_are_promoted_no_more_often_than_alpha_whatever_part_is_looked_at() -> None:
    rng = np.random.default_rng(5)
    promoted = 0
    for _ in range(200):
        right = rng.uniform(size=(2, 120)) < 0.75
        fresh = np.arange(120) >= 60
        promoted += judged(contest(right[0], right[1], fresh=fresh))[0].decision == "promote"
    assert promoted / 200 <= 0.05 + 2 * (0.05 * 0.95 / 200) ** 0.5


def chained(number: int, own: int, other: int, champion: str, **others):
    """A challenger of the loop's on 400 clips, beside a champion."""
    right, opposed = differing(own, other, 400)
    return contest(right, opposed, challenger=f"v{number}", champion=champion, newer=True, **others)


def test_promotions_within_the_margin_use_it_up_together() -> None:
    margin = {"non_inferiority_margin": 0.05}
    first, entries = judged(chained(1, 10, 12, "v0"), **margin)
    assert first.decision == "promote"
    assert 0.02 < entries[0].shortfall < 0.05
    assert GateTest.from_json(json.loads(json.dumps(entries[0].as_json()))) == entries[0]
    second, made = judged(chained(2, 10, 12, "v1"), entries=entries, **margin)
    assert (second.decision, made[0].shortfall) == ("keep", 0)
    assert any("earlier promotions within this margin may have cost" in one for one in second.reasons)
    other, _ = judged(chained(2, 10, 12, "v0"), entries=entries, **margin)
    assert other.decision == "promote", "beside a champion whose place was no loss"
    better, paid = judged(chained(3, 120, 12, "v1"), entries=entries, **margin)
    assert (better.decision, paid[0].shortfall) == ("promote", 0), "what is shown to be gained is taken off"


def test_a_model_that_is_promoted_after_a_test_kept_it_back_has_a_shortfall_too() -> None:
    one = chained(1, 10, 12, "v0")
    kept, entries = judged(one)
    assert (kept.decision, "shortfall" in entries[0].as_json()) == ("keep", False)
    promoted, made = judged(one, entries=entries, non_inferiority_margin=0.05)
    assert promoted.decision == "promote"
    assert 0.02 < made[0].shortfall < 0.05
    again, none = judged(one, entries=entries + made, non_inferiority_margin=0.05)
    assert (again.decision, none) == ("promote", [])
