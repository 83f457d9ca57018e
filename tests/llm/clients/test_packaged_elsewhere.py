"""A packaged model whose engines are workers of a cluster: lent by this process, and by a real Ray that is killed."""

import pickle
from collections import Counter
from queue import SimpleQueue
from typing import ClassVar

import pytest
from tests.servers.ray_cluster import two_nodes

from cu_pipeline.compute.mapper import Lender, Outcome
from cu_pipeline.compute.ray_mapper import RayMapper
from cu_pipeline.core import counters
from cu_pipeline.core.errors import BadClipError, ConfigurationError, Reason
from cu_pipeline.llm.clients import packaged_elsewhere
from cu_pipeline.llm.clients.dispatch import ask_model
from cu_pipeline.llm.clients.options import ClientOptions
from cu_pipeline.llm.clients.packaged import PackagedClient, packaged_identity
from cu_pipeline.llm.clients.protocol import (
    Scored,
    ScoringQuestion,
    Unanswered,
    UnansweredError,
    WritingQuestion,
)

OPTIONS = ClientOptions()


class Workers:
    """Lends workers of this process, to which everything travels as bytes; those that take a deadly item are lost."""

    def __init__(self, number):
        self.number, self.started, self.ended = number, [], False

    def lend(self, make, *, most, memory_mb, cores=1):
        self.size = min(self.number, most)
        self.idle = SimpleQueue()
        for _ in range(self.size):
            self.idle.put(pickle.loads(pickle.dumps(make))())
        return self

    def run(self, item):
        worker = self.idle.get()
        try:
            if item.given["prompt"] == "deadly":
                return Outcome(error=BadClipError(Reason.CRASHED, "each of the 4 workers that took it was lost"))
            return Outcome(pickle.loads(pickle.dumps(worker(pickle.loads(pickle.dumps(item))))))
        finally:
            self.idle.put(worker)

    def end(self):
        self.ended = True


class Lengths:
    """Scores a continuation by its length; what it is asked to write is always too long, or unclear."""

    asked: ClassVar = Counter()

    def __init__(self, options):
        type(self).asked["loaded"] += 1

    def score(self, prompt, continuations, *, shared):
        type(self).asked[prompt] += 1
        return Scored(tuple(-float(len(one)) for one in continuations), len(prompt))

    def generate(self, prompt, *, max_tokens, shared, choices, images):
        if max_tokens > 100:
            raise ConfigurationError("a prompt is longer than the context")
        raise UnansweredError(Unanswered("unclear", 7, 3), asked=max_tokens > 1)


@pytest.fixture
def lengths(monkeypatch):
    monkeypatch.setattr(packaged_elsewhere, "PackagedClient", Lengths)
    Lengths.asked = Counter()
    counters.reset()
    return Lengths


def scored(number):
    return [ScoringQuestion(f"prompt {place}", (" a", " bb")) for place in range(number)]


def asked(questions, lender, known=None):
    return {call.key: call.answer for calls in ask_model(questions, known or {}, OPTIONS, lender) for call in calls}


def test_each_question_is_answered_once_and_each_worker_loads_the_model_once(lengths):
    workers = Workers(2)
    assert isinstance(workers, Lender)
    first = asked(scored(30), workers)
    assert len(first) == 30
    assert 1 <= lengths.asked.pop("loaded") <= 2
    assert set(lengths.asked.values()) == {1}
    assert workers.ended
    assert asked(scored(31), Workers(2), first).keys() == {scored(31)[-1].key(packaged_identity(OPTIONS))}
    assert counters.counts()["llm_calls"] == 31
    assert counters.counts()["llm_cache_hits"] == 30


def test_no_more_workers_start_than_there_are_questions_and_none_for_what_is_known(lengths):
    workers = Workers(8)
    known = asked(scored(3), workers)
    assert workers.size == 3
    assert asked(scored(3), object(), known) == {}


def test_what_an_engine_cannot_answer_comes_back_with_what_was_paid(lengths):
    (paid,) = asked([WritingQuestion("p", 10)], Workers(2)).values()
    assert paid == Unanswered("unclear", 7, 3)
    asked([WritingQuestion("p", 1)], Workers(2))
    assert counters.counts()["llm_calls"] == 1
    with pytest.raises(ConfigurationError, match="longer than the context"):
        asked([*scored(2), WritingQuestion("p", 200)], Workers(1))


def test_a_question_that_loses_each_worker_stays_open_and_costs_the_others_nothing(lengths, caplog):
    found = asked([*scored(3), ScoringQuestion("deadly", (" a",))], Workers(2))
    assert len(found) == 3
    assert "no worker answered: each of the 4 workers that took it was lost" in caplog.text


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_engines_on_ray_answer_as_one_here():
    pytest.importorskip("ray")
    questions = [
        ScoringQuestion(f'Video caption: "take {number}"\nTopic:', (" cooking", " football")) for number in range(40)
    ]
    client = PackagedClient(OPTIONS)
    here = {one.key(client.identity): one.ask(client) for one in questions}
    client.close()
    counters.reset()
    there = {}
    with two_nodes() as cluster:
        for calls in ask_model(questions, {}, OPTIONS, RayMapper(cluster.address, 2)):
            there.update({call.key: call.answer for call in calls})
    assert there == here
    assert counters.counts()["llm_calls"] == 40
