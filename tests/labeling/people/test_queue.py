import json
from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import CLIPS, DUPLICATES, LABELS, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.core.scope import Scope
from cu_pipeline.labeling.people.batches import review_batches
from cu_pipeline.labeling.people.options import QueueOptions
from cu_pipeline.labeling.people.queue import QueueTerms, plan_queue
from cu_pipeline.labeling.people.requests import LabelRequest, Purpose
from cu_pipeline.labeling.people.work_log import BatchDecided, BatchOpened, Draw, Item, PersonAnswer, Terms

TOPIC = {"topic": Capability(classes=("cooking", "pets"))}
NO_DUPLICATES = table([], DUPLICATES)


def corpus(size: int) -> pd.DataFrame:
    rows = [
        {
            "clip_id": f"c{place:03}",
            "text": f"caption {place}",
            "path": f"data/c{place:03}.mp4",
            "media_sha256": f"m{place}",
        }
        | {"text_sha256": f"t{place}", "has_audio": False, "bytes": 0, "codec": "h264"}
        for place in range(size)
    ]
    return table(rows, CLIPS)


def labels(chances: dict[str, float], *, source: str = "llm", certified: bool = False) -> pd.DataFrame:
    rows = [
        {"clip_id": clip, "capability": "topic", "label": "cooking" if chance >= 0.5 else "pets", "source": source}
        | {"probability": max(chance, 1 - chance), "annotators": 1, "certified": certified, "price": 0.0}
        | {"probabilities": json.dumps({"cooking": chance, "pets": 1 - chance})}
        for clip, chance in chances.items()
    ]
    return table(rows, LABELS)


def options(price: float = 0.04, **queue: float) -> QueueTerms:
    return QueueTerms(QueueOptions.model_validate(queue), price)


def opened(*clips: str, capabilities: dict[str, Capability] = TOPIC, price: float = 0.04) -> BatchOpened:
    terms = Terms(price=price, redundancy=1, gold_accuracy=0.8, alpha=0.05)
    items = tuple(Item(clip_id=clip, draw=Draw.VALUE, task={}) for clip in clips)
    return BatchOpened(batch="b", time="t", place="file", terms=terms, capabilities=capabilities, items=items)


def queued(tasks: list[dict], draw: str | None = None) -> list[str]:
    return [task["data"]["clip_id"] for task in tasks if draw in {None, task["meta"]["draw"]}]


@pytest.fixture
def nobody(votes: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    return votes()


def plan(clips, annotations, given=None, reviews=(), settings=None, duplicates=NO_DUPLICATES, capabilities=TOPIC):
    known = labels({}) if given is None else given
    resolved = ResolvedCapabilities(capabilities)
    return plan_queue(clips, duplicates, annotations, known, resolved, reviews, settings or options())


def test_clips_that_people_labelled_are_not_asked_about_again(votes) -> None:
    human = votes(("c000", "ana", "pets"), ("c001", "label", "pets"))
    tasks = plan(corpus(4), human, settings=options(gold_share=0))
    assert sorted(queued(tasks)) == ["c002", "c003"]


def test_below_the_wished_redundancy_a_clip_is_asked_about_again_but_gold_is_not(votes) -> None:
    human = votes(("c000", "ana", "pets"), ("c001", "label", "pets"), ("c002", "ana", "pets"), ("c002", "ben", "pets"))
    tasks = plan(corpus(3), human, settings=options(redundancy=2, gold_share=0))
    assert queued(tasks) == ["c000"]


def test_a_clip_is_asked_about_while_any_capability_lacks_answers(votes) -> None:
    both = TOPIC | {"safety": Capability(kind="multi", classes=("advert",))}
    tasks = plan(corpus(1), votes(("c000", "ana", "pets")), capabilities=both)
    assert queued(tasks) == ["c000"]


def test_of_copies_one_is_asked_about_and_an_answer_counts_for_all(votes) -> None:
    clips = corpus(4)
    clips["media_sha256"] = clips["text_sha256"] = ["x", "x", "y", "y"]
    assert queued(plan(clips, votes(("c003", "ana", "pets")))) == ["c000"]


def test_what_machines_are_least_sure_of_comes_first(nobody) -> None:
    given = labels({"c000": 0.99, "c001": 0.55, "c002": 0.8})
    tasks = plan(corpus(3), nobody, given, settings=options(random_share=0))
    assert set(queued(tasks)[:1]) == {"c001"}
    assert tasks[0]["predictions"][0]["score"] == 0.55
    assert tasks[0]["predictions"][0]["result"][0]["value"] == {"choices": ["cooking"]}


def test_clips_like_one_another_are_not_asked_about_together(nobody) -> None:
    clips = corpus(4).assign(text=["pasta recipe", "pasta recipe now", "dog in the park", ""])
    tasks = plan(clips, nobody, settings=options(random_share=0, max_clips=3, gold_share=0))
    assert {"c002", "c003"} < set(queued(tasks))


def test_a_near_duplicate_of_a_chosen_clip_comes_last(nobody) -> None:
    group = table([{"clip_id": name, "duplicate_group": "c000", "bits": 3.0} for name in ("c000", "c001")], DUPLICATES)
    tasks = plan(corpus(3), nobody, settings=options(random_share=0), duplicates=group)
    assert queued(tasks)[-1] in {"c000", "c001"}
    assert len(queued(tasks)) == 3


def test_certified_clips_are_asked_about_only_by_the_random_draw(nobody) -> None:
    given = labels({f"c{place:03}": 0.6 for place in range(10)}, certified=True)
    tasks = plan(corpus(10), nobody, given, settings=options(random_share=0.5))
    assert len(queued(tasks, "random")) == 5
    assert queued(tasks, "value") == []


def test_only_clips_chosen_by_value_show_what_machines_think(votes) -> None:
    given = labels({f"c{place:03}": 0.6 for place in range(40)})
    tasks = plan(corpus(40), votes(("c001", "label", "pets")), given)
    assert {task["meta"]["draw"] for task in tasks if task["predictions"]} == {"value"}
    assert {task["meta"]["draw"] for task in tasks if not task["predictions"]} == {"random", "gold"}


def test_the_random_draw_depends_on_nothing_that_machines_think(nobody) -> None:
    sure, unsure = (labels({f"c{place:03}": chance for place in range(50)}) for chance in (0.99, 0.5))
    assert queued(plan(corpus(50), nobody, sure), "random") == queued(plan(corpus(50), nobody, unsure), "random")


def test_the_random_draw_is_uniform(nobody) -> None:
    """Of 4,000 clips a fifth is drawn; each tenth of them should have 80, with a standard deviation of 8 at most."""
    every_draw = options(max_clips=800, random_share=1, gold_share=0, price=0)
    drawn = pd.Series(queued(plan(corpus(4000), nobody, settings=every_draw), "random"))
    tenths = drawn.str[1:].astype(int).floordiv(400).value_counts()
    assert tenths.sum() == 800
    assert tenths.between(80 - 4 * 8, 80 + 4 * 8).all()


def test_clips_that_iterations_chose_are_asked_about_by_value_alone(nobody) -> None:
    """No machine is certified on them, so that random draws among them would tell nothing."""
    clips = corpus(40)
    clips["feed"] = ["served" if place % 2 else "clips.csv" for place in range(40)]
    queue = plan(clips, nobody, settings=options(max_clips=40, random_share=0.75, gold_share=0, price=0))
    drawn, valued = (set(queued(queue, draw)) for draw in ("random", "value"))
    assert drawn == set(clips.loc[clips["feed"] != "served", "clip_id"])
    assert valued == set(clips.loc[clips["feed"] == "served", "clip_id"])


@settings(max_examples=25)
@given(
    budget=st.floats(0, 3),
    most=st.integers(0, 30),
    share=st.floats(0, 1),
    gold=st.floats(0, 0.5),
    people=st.integers(1, 3),
)
def test_neither_the_budget_nor_the_number_of_clips_is_exceeded(budget, most, share, gold, people) -> None:
    limits = options(
        budget_usd=budget, max_clips=most, random_share=share, gold_share=gold, redundancy=people, price=0.04
    )
    annotations = pd.DataFrame(
        [
            {"clip_id": f"c{place:03}", "capability": "topic", "annotator": "label", "kind": "human"}
            for place in range(9)
        ]
    ).assign(label="pets", version="")
    tasks = plan(corpus(20), annotations, reviews=review_batches([opened("x", "y")], []), settings=limits)
    assert len(tasks) <= most
    assert len(tasks) * 0.04 * people <= max(budget - 2 * 0.04, 0) + 1e-9
    assert len(set(queued(tasks))) == len(tasks)


def test_clips_that_are_out_in_a_batch_wait_and_come_back_when_it_is_sent_back(nobody) -> None:
    batch = opened("c000", "c001")
    assert queued(plan(corpus(3), nobody, reviews=review_batches([batch], []))) == ["c002"]
    answers = [
        PersonAnswer(batch="b", clip_id="c000", annotation=1, annotator="ana", time="1", labels={"topic": "pets"})
    ]
    accepted = BatchDecided(batch="b", time="t", accepted=True, reason="")
    assert sorted(queued(plan(corpus(3), nobody, reviews=review_batches([batch, accepted], answers)))) == [
        "c001",
        "c002",
    ]
    refused = BatchDecided(batch="b", time="t", accepted=False, reason="")
    assert len(queued(plan(corpus(3), nobody, reviews=review_batches([batch, refused], answers)))) == 3


def test_gold_is_mixed_in_by_its_share_those_first_that_were_shown_less(votes) -> None:
    gold = [(f"c{place:03}", "label", "pets") for place in range(20)]
    tasks = plan(corpus(100), votes(*gold), settings=options(gold_share=0.2, max_clips=50))
    assert len(tasks) == 50
    first = queued(tasks, "gold")
    assert len(first) == 10
    assert all(task["meta"]["gold"] == {"topic": "pets"} for task in tasks if task["meta"]["draw"] == "gold")
    shown = opened().model_copy(update={"items": tuple(Item(clip_id=c, draw=Draw.GOLD, task={}) for c in first)})
    done = BatchDecided(batch="b", time="t", accepted=True, reason="")
    again = plan(
        corpus(100),
        votes(*gold),
        reviews=review_batches([shown, done], []),
        settings=options(gold_share=0.2, max_clips=50),
    )
    assert not set(first) & set(queued(again, "gold"))


def test_what_people_said_tells_what_is_uncertain_whatever_machines_say(nobody) -> None:
    """People told cooking from pets; the caption with words of both is asked about first, the certified one never."""
    texts = [
        "pasta oven",
        "oven pasta dish",
        "dog walk",
        "walk the dog",
        "pasta oven dog walk",
        "pasta dish",
        "the dog",
    ]
    clips = corpus(7).assign(text=texts)
    people = {"c000": 0.9, "c001": 0.9, "c002": 0.1, "c003": 0.1}
    given = pd.concat([labels(people, source="human"), labels({"c004": 0.99, "c005": 0.6})], ignore_index=True)
    human = pd.DataFrame(
        [{"clip_id": clip, "capability": "topic", "annotator": "ana", "kind": "human"} for clip in people]
    ).assign(label=["cooking", "cooking", "pets", "pets"], version="")
    settings = options(random_share=0, gold_share=0)
    assert queued(plan(clips, human, given, settings=settings))[0] == "c004"
    certified = labels({"c004": 0.5}, certified=True)
    settled = pd.concat([given[given["clip_id"] != "c004"], certified], ignore_index=True)
    assert "c004" not in queued(plan(clips, human, settled, settings=settings))


def test_the_clips_of_one_creator_do_not_fill_the_queue(nobody) -> None:
    clips = corpus(40).assign(group=["one"] * 30 + [f"g{place}" for place in range(10)])
    chosen = queued(plan(clips, nobody, settings=options(random_share=0, gold_share=0, max_clips=10)))
    assert sum(int(clip[1:]) < 30 for clip in chosen) <= 2


def test_the_queue_is_the_same_each_time(votes) -> None:
    given = labels({f"c{place:03}": place / 60 for place in range(0, 60, 2)})
    people = votes(("c001", "label", "pets"))
    assert plan(corpus(60), people, given) == plan(corpus(60), people, given)


def test_an_empty_corpus_and_captions_without_words_make_no_trouble(nobody) -> None:
    assert plan(corpus(0), nobody) == []
    assert len(plan(corpus(3).assign(text=["", "!!", "😀"]), nobody)) == 3


def test_clips_on_which_votes_are_even_are_asked_about_first_and_without_predictions(votes) -> None:
    human = votes(("c003", "ana", "pets"), ("c003", "bob", "cooking"), ("c002", "ana", "pets"))
    given = pd.concat([labels({"c003": 0.5}, source="tie"), labels({"c000": 0.5, "c001": 0.9})], ignore_index=True)
    settings = options(gold_share=0, random_share=0.5, redundancy=1)
    tasks = plan(corpus(6), human, given, settings=settings)
    assert queued(tasks, "value")[0] == "c003"
    assert "c003" not in queued(tasks, "random")
    assert "c002" not in queued(tasks)
    (tie,) = [task for task in tasks if task["data"]["clip_id"] == "c003"]
    assert (tie["predictions"], tie["meta"]["even_of"]) == ([], 0)


def test_where_votes_on_all_that_waits_are_even_all_of_it_is_asked_about(votes) -> None:
    said = (("ana", "pets"), ("bob", "cooking"))
    human = votes(*((clip, who, label) for clip in ("c000", "c001") for who, label in said))
    given = labels({"c000": 0.5, "c001": 0.5}, source="tie")
    tasks = plan(corpus(2), human, given, settings=options(random_share=0.5))
    assert sorted(queued(tasks, "value")) == ["c000", "c001"]


def scoped(clips: pd.DataFrame) -> tuple[pd.DataFrame, ResolvedCapabilities]:
    """Give the clips with every second one of another feed, and two capabilities, one of them of that feed alone."""
    feeds = ["texts.csv" if place % 2 else "videos.csv" for place in range(len(clips))]
    hate = Capability(classes=("yes", "no"), scope=Scope(feeds=("texts.csv",)))
    return clips.assign(feed=feeds), ResolvedCapabilities({"hate": hate, **TOPIC}, inapplicable={"topic": ("c001",)})


def test_a_clip_is_asked_what_applies_to_it(nobody) -> None:
    clips, resolved = scoped(corpus(4))
    tasks = plan_queue(clips, NO_DUPLICATES, nobody, labels({}), resolved, (), options(gold_share=0))
    asked = {task["data"]["clip_id"]: task["meta"].get("capabilities") for task in tasks}
    assert asked == {"c000": ["topic"], "c001": ["hate"], "c002": ["topic"], "c003": None}


def test_a_clip_that_nothing_applies_to_is_not_queued(nobody) -> None:
    clips, resolved = scoped(corpus(4))
    only = ResolvedCapabilities({"hate": resolved.active["hate"]})
    tasks = plan_queue(clips, NO_DUPLICATES, nobody, labels({}), only, (), options(gold_share=0))
    assert sorted(queued(tasks)) == ["c001", "c003"]


def test_the_budget_holds_for_what_is_asked_of_each_clip(nobody) -> None:
    clips, resolved = scoped(corpus(40))
    for budget in (0.0, 0.05, 0.5, 1.0, 100.0):
        tasks = plan_queue(
            clips, NO_DUPLICATES, nobody, labels({}), resolved, (), options(gold_share=0, budget_usd=budget)
        )
        asked = [len(task["meta"].get("capabilities", resolved.active)) for task in tasks]
        assert sum(asked) * options().price <= budget + 1e-9
        assert (len(tasks) == 40) == (budget == 100)


def test_what_a_certificate_lacks_is_in_the_queue_within_its_limits(nobody, caplog) -> None:
    caplog.set_level("INFO")
    terms = replace(options(gold_share=0, max_clips=20), lacking={"topic": 12})
    tasks = plan(corpus(60), nobody, settings=terms)
    assert (len(queued(tasks, "random")), len(queued(tasks, "value"))) == (12, 8)
    assert "topic: a certificate lacks about 12 random draws; 12 are in the queue" in caplog.text
    more = plan(corpus(60), nobody, settings=replace(terms, lacking={"topic": 30}))
    assert len(queued(more, "random")) == 20
    assert "The other 10 cost $0.40, and label.queue.max_clips=20 leaves no room for them" in caplog.text
    poor = replace(options(gold_share=0, budget_usd=0.2), lacking={"topic": 30})
    assert len(queued(plan(corpus(60), nobody, settings=poor), "random")) == 5
    assert "The other 25 cost $1.00, and $0.20 of label.queue.budget_usd=0.2 are left" in caplog.text


def test_draws_that_are_out_are_not_made_again(nobody) -> None:
    terms = replace(options(gold_share=0, random_share=0), lacking={"topic": 12})
    first = queued(plan(corpus(60), nobody, settings=terms), "random")
    out = opened(*first[:10])
    random = tuple(item.model_copy(update={"draw": Draw.RANDOM}) for item in out.items)
    reviews = review_batches([out.model_copy(update={"items": random})], [])
    assert len(queued(plan(corpus(60), nobody, reviews=reviews, settings=terms), "random")) == 2


def requests(**purposes: Purpose) -> dict[str, LabelRequest]:
    return {name: LabelRequest("0001", name, purpose) for name, purpose in purposes.items()}


def terms(asked: dict[str, LabelRequest], **options: float) -> QueueTerms:
    return QueueTerms(QueueOptions.model_validate(options), 0.04, requested=asked)


@pytest.fixture
def divided() -> pd.DataFrame:
    return corpus(20).assign(split=["test"] * 10 + ["train"] * 10)


def test_while_an_iteration_asks_nothing_else_is_queued(divided, nobody) -> None:
    asked = requests(c012=Purpose.VALUE, c003=Purpose.TEST, gone=Purpose.TEST, c011=Purpose.RANDOM)
    tasks = plan(divided, nobody, settings=terms(asked))
    assert sorted(queued(tasks)) == ["c003", "c011", "c012"]
    assert {task["meta"]["draw"] for task in tasks} == {"value"}, "no random draw from all clips"


def test_people_see_what_machines_think_only_of_clips_chosen_by_value(divided, nobody) -> None:
    asked = requests(c012=Purpose.VALUE, c003=Purpose.TEST, c011=Purpose.RANDOM)
    thought = labels({"c012": 0.7, "c003": 0.7, "c011": 0.7})
    tasks = plan(divided, nobody, thought, settings=terms(asked))
    assert {task["data"]["clip_id"]: len(task["predictions"]) for task in tasks} == {"c012": 1, "c003": 0, "c011": 0}


def test_what_was_chosen_by_value_is_not_asked_about_among_test_clips(divided, nobody) -> None:
    tasks = plan(divided, nobody, settings=terms(requests(c004=Purpose.VALUE, c005=Purpose.TEST)))
    assert queued(tasks) == ["c005"]


def test_the_queue_keeps_to_its_budget_and_goes_back_to_its_own_choice(divided, nobody, votes) -> None:
    asked = requests(c003=Purpose.TEST, c011=Purpose.VALUE, c012=Purpose.VALUE)
    assert queued(plan(divided, nobody, settings=terms(asked, budget_usd=0.04))) == ["c003"]
    done = votes(*((name, "ann", "pets") for name in asked))
    assert len(plan(divided, done, settings=terms(asked))) > 3
