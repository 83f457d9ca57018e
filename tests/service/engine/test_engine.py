"""The engine with real models that start fast, real decoders, and films that do harm by how bright they are."""

import asyncio
import os
import signal
import threading
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.core.hashing import file_sha256, text_sha256
from cu_pipeline.features.motion import Motion
from cu_pipeline.features.table import EXTRACTORS
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.service.engine.engine import Engine
from cu_pipeline.service.engine.interface import ClipRequest, DeadlineError, OverloadedError
from cu_pipeline.service.engine.options import EngineOptions, EngineSettings

BUDGET_S = 0.8
DARK, BRIGHT = 30, 200


class Treacherous(Motion):
    """Bright films take a minute, and dark ones kill who looks at them."""

    def prepare(self, content):
        shade = content[0].picture.mean()
        if shade > BRIGHT:
            time.sleep(60)
        if shade < DARK:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().prepare(content)


@pytest.fixture(scope="module", autouse=True)
def _treacherous():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXTRACTORS, "motion", Treacherous)
        yield


@pytest.fixture(scope="module")
def champions(make_bundle, looks_and_words):
    return {name: make_bundle(name, extracted=looks_and_words) for name in ("safety", "topic")}


@pytest.fixture(scope="module")
def settings(champions, tmp_path_factory):
    folder = tmp_path_factory.mktemp("champions")
    for name, bundle in champions.items():
        bundle.save(folder / name)
    options = EngineOptions(decoders=2, encoders=1, decode_budget_s=BUDGET_S, quick_pixels=200_000, video_deadline_s=30)
    return EngineSettings(folder, options=options)


@pytest.fixture(scope="module")
def engine(settings, told):
    one = Engine.start(settings, told)
    yield one
    asyncio.run(one.close(5))
    assert not decoders()


@pytest.fixture(scope="module")
def films(film):
    return {
        "good": film("good.mp4"),
        "other": film("other.mp4", shade=140),
        "hangs": film("hangs.mp4", shade=250),
        "hangs long": film("long.mp4", shade=250, frames=80),
        "kills": film("kills.mp4", shade=0, width=320, height=240),
    }


def decoders():
    alive = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
    return [child for child in alive if "cu_pipeline.compute.worker" in child.cmdline()]


def asked(media=None, caption="", **more):
    return ClipRequest(media, caption, {}, **more)


def answers(engine, *requests):
    """What the engine says to several at once, errors too."""

    async def all_of_them():
        return await asyncio.gather(*map(engine.classify, requests), return_exceptions=True)

    return asyncio.run(all_of_them())


def test_it_answers_as_the_predictor_does_with_hashes_and_timings(engine, champions, films):
    predictor = Predictor(champions)
    given = [(films["good"], "a caption"), (films["other"], ""), (None, "words"), (None, "and other words")] * 3
    found = answers(engine, *(asked(*one) for one in given))
    for one, (media, caption) in zip(found, given, strict=True):
        expected = predictor.predict(media, caption)
        assert one.prediction.labels == expected.labels
        assert one.prediction.versions == expected.versions
        assert one.prediction.facts == expected.facts
        assert one.prediction.embedding == pytest.approx(expected.embedding, abs=1e-5)
        for name, classes in expected.probabilities.items():
            assert one.prediction.probabilities[name] == pytest.approx(classes, abs=1e-5)
        assert one.prediction.roles == {"safety": "champion", "topic": "champion"}
        assert one.media_sha256 == ("" if media is None else file_sha256(media))
        assert one.text_sha256 == (text_sha256(caption) if caption else "")
        assert one.timings.keys() == {"queue", "encode", "score"} | (set() if media is None else {"decode"})
        assert all(0 <= ms < 60_000 for ms in one.timings.values())
        assert one.shadow_input is None


def test_captions_that_wait_are_answered_together(engine, told):
    told.batches.clear()
    answers(engine, *(asked(caption=f"caption {number}") for number in range(24)))
    sizes = [size for stage, size in told.batches if stage == "text"]
    assert sum(sizes) == 24
    assert max(sizes) > 1
    assert max(sizes) <= 16
    assert ("text", 24) in told.queues
    assert told.queues[-1] == ("text", 0)


def test_a_clip_past_its_budget_is_refused_with_the_reason_and_costs_no_process(engine, told, films):
    before = {one.pid for one in decoders()}
    begun = time.monotonic()
    (refused,) = answers(engine, asked(films["hangs"], "a caption"))
    assert isinstance(refused, BadClipError)
    assert refused.reason is Reason.TIMEOUT
    assert BUDGET_S <= time.monotonic() - begun < BUDGET_S + 3
    assert {one.pid for one in decoders()} == before
    assert told.restarts == 0


def test_slow_clips_hold_neither_captions_nor_short_clips(engine, films):
    before = engine._lanes["video"].room

    async def beside():
        slow = [asyncio.ensure_future(engine.classify(asked(films["hangs long"]))) for _ in range(4)]
        await asyncio.sleep(0.3)
        begun = time.monotonic()
        await engine.classify(asked(caption="words"))
        caption = time.monotonic() - begun
        await engine.classify(asked(films["good"]))
        short = time.monotonic() - begun
        waiting = sum(not one.done() for one in slow)
        return caption, short, waiting, await asyncio.gather(*slow, return_exceptions=True)

    caption, short, waiting, ends = asyncio.run(beside())
    assert waiting >= 1
    assert caption < BUDGET_S
    assert short < 2 * BUDGET_S
    assert {type(one) for one in ends} <= {BadClipError, OverloadedError}
    assert {one.reason for one in ends if isinstance(one, BadClipError)} == {Reason.TIMEOUT}
    assert {one.lane for one in ends if isinstance(one, OverloadedError)} <= {"slow video"}
    assert engine._lanes["video"].room > before / 2, "what slow clips take is not expected of others"


def test_a_decoder_that_others_kill_costs_one_more_try(engine, told, films):
    before = {one.pid for one in decoders()}

    async def killed():
        answer = asyncio.ensure_future(engine.classify(asked(films["hangs"])))
        await asyncio.sleep(0.4)
        for one in decoders():
            one.kill()
        return await asyncio.gather(answer, return_exceptions=True)

    (end,) = asyncio.run(killed())
    assert end.reason is Reason.TIMEOUT, "it was tried again, and took its time again"
    assert {one.pid for one in decoders()}.isdisjoint(before)
    assert told.restarts == 1
    (found,) = answers(engine, asked(films["good"]))
    assert found.prediction.labels


def test_a_clip_whose_decoder_is_killed_twice_is_refused(engine, films):
    refused, found = answers(engine, asked(films["kills"]), asked(films["good"]))
    assert (refused.reason, "killed twice" in refused.detail) == (Reason.CRASHED, True)
    assert found.prediction.labels


def test_only_what_is_asked_is_computed(engine, champions, films, told, make_bundle):
    (topic, nothing) = answers(
        engine, asked(films["good"], "x", capabilities=("topic",)), asked(caption="x", capabilities=("gone",))
    )
    assert set(topic.prediction.versions) == set(topic.prediction.labels) == {"topic"}
    assert nothing.prediction.labels == nothing.prediction.versions == {}


def test_embed_gives_the_features_alone(engine, films):
    found = asyncio.run(engine.embed(asked(films["good"], "a caption"))).prediction
    assert found.labels == {}
    assert len(found.embedding) == sum(found.parts.values())
    assert [name.partition("@")[0] for name in found.parts] == ["motion", "captions"]


def test_an_explanation_shows_frames_and_what_each_modality_brings(engine, films):
    (found,) = answers(engine, asked(films["good"], "a caption", explain=True))
    told = found.prediction.explanation
    times = [time_s for time_s, _ in told.frames]
    assert times == sorted(times)
    assert len(times) == 8
    assert all(jpeg[:2] == b"\xff\xd8" and len(jpeg) < 20_000 for _, jpeg in told.frames)
    assert told.screen_text == ""
    for name, classes in found.prediction.probabilities.items():
        assert set(told.without[name]) == {"motion", "caption"}
        assert all(set(one) == set(classes) for one in told.without[name].values())
        assert told.without[name]["caption"] != pytest.approx(classes, abs=1e-6)
    (plain,) = answers(engine, asked(films["good"], "a caption"))
    assert plain.prediction.explanation is None


def test_a_refused_clip_keeps_its_reason_and_others_their_answers(engine, films, tmp_path):
    (tmp_path / "text.mp4").write_bytes(b"not a film")
    refused, found = answers(engine, asked(tmp_path / "text.mp4", "words"), asked(films["good"], "words"))
    assert refused.reason is Reason.NOT_MEDIA
    assert found.prediction.labels


def hold(engine, monkeypatch):
    """Keep the next encoding of captions from going on, until it is let."""
    going, begun = threading.Event(), threading.Event()
    encode = Predictor.encode

    def held(self, clips):
        begun.set()
        going.wait(10)
        return encode(self, clips)

    monkeypatch.setattr(Predictor, "encode", held)
    return begun, going


def test_what_nobody_waits_for_is_dropped_and_holds_its_place_until_the_work_ends(engine, monkeypatch):
    lane = engine._lanes["text"]
    begun, going = hold(engine, monkeypatch)
    seen = []
    ask = Predictor.ask
    monkeypatch.setattr(
        Predictor, "ask", lambda self, *given, **more: seen.append(given[1]) or ask(self, *given, **more)
    )

    async def leaving():
        first = asyncio.ensure_future(engine.classify(asked(caption="first")))
        await asyncio.to_thread(begun.wait, 5)
        second = asyncio.ensure_future(engine.classify(asked(caption="second")))
        await asyncio.sleep(0.05)
        first.cancel()
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        held = lane.inside
        going.set()
        for _ in range(100):
            await asyncio.sleep(0.02)
            if not lane.inside:
                break
        return held

    assert asyncio.run(leaving()) == 2
    assert lane.inside == 0
    assert seen == ["first"]


def test_past_the_deadline_nothing_more_is_done_and_a_full_lane_refuses_at_once(engine, monkeypatch):
    lane = engine._lanes["text"]
    monkeypatch.setattr(lane, "deadline_s", 0.2)
    monkeypatch.setattr(lane, "spacing_s", 1.0)
    _, going = hold(engine, monkeypatch)

    async def full():
        waiting = [asyncio.ensure_future(engine.classify(asked(caption=str(number)))) for number in range(4)]
        await asyncio.sleep(0.05)
        start = time.monotonic()
        with pytest.raises(OverloadedError) as caught:
            await engine.classify(asked(caption="one too many"))
        took = time.monotonic() - start
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        going.set()
        return took, caught.value, ends

    took, overloaded, ends = asyncio.run(full())
    assert took < 0.1
    assert overloaded.lane == "text"
    assert overloaded.retry_after_s >= 1
    assert [type(one) for one in ends] == [DeadlineError] * 4


def test_a_clip_that_cannot_be_scored_costs_no_other_its_answer(engine, monkeypatch, caplog):
    score = Predictor.score

    def picky(self, clips, features):
        if any(clip.question.text == "poison" for clip in clips):
            raise ZeroDivisionError("poison")
        return score(self, clips, features)

    monkeypatch.setattr(Predictor, "score", picky)
    found = answers(engine, *(asked(caption=text) for text in ("good", "poison", "fine")))
    assert [type(one).__name__ for one in found] == ["Answered", "ZeroDivisionError", "Answered"]
    assert caplog.text.count("could not be answered") == 1


def test_a_promotion_under_load_loses_no_request(engine, settings, champions, make_bundle, looks_and_words, films):
    better = make_bundle("topic", extracted=looks_and_words, seed=9)

    async def load():
        versions, stop = [], False

        async def client():
            while not stop:
                found = await engine.classify(asked(caption="words"))
                versions.append(found.prediction.versions["topic"])

        clients = [asyncio.ensure_future(client()) for _ in range(8)]
        for bundle in (better, champions["topic"]):
            bundle.save(settings.bundles / "topic")
            for _ in range(100):
                await asyncio.sleep(0.1)
                if engine.bundles()["topic"].version == bundle.version:
                    break
        await asyncio.sleep(0.1)
        stop = True
        await asyncio.gather(*clients)
        return versions

    versions = asyncio.run(load())
    changes = [after for before, after in pairwise(versions) if before != after]
    assert set(versions) == {better.version, champions["topic"].version}
    assert versions[-1] == champions["topic"].version
    assert len(changes) >= 2


def test_it_is_ready_until_it_closes_and_then_refuses(settings, metrics):
    options = replace(settings, options=settings.options.model_copy(update={"decoders": 1}))
    one = Engine.start(options, metrics)
    assert one.ready()

    async def closing():
        under_way = asyncio.ensure_future(one.classify(asked(caption="words")))
        await asyncio.sleep(0)
        await one.close(5)
        assert (await under_way).prediction.labels
        with pytest.raises(OverloadedError):
            await one.classify(asked(caption="words"))

    asyncio.run(closing())
    assert not one.ready()


def test_a_folder_without_models_does_not_start(tmp_path, metrics):
    from cu_pipeline.core.errors import BundleError

    with pytest.raises(BundleError, match="no model bundle"):
        Engine.start(EngineSettings(Path(tmp_path)), metrics)
