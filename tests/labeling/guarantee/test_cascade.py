from dataclasses import replace

import numpy as np

from cu_pipeline.labeling.guarantee.cascade import accepted_before
from cu_pipeline.labeling.guarantee.certification import accepted_by
from cu_pipeline.labeling.guarantee.results import SUREST, CertificationResult
from cu_pipeline.labeling.sources.source import Source


def _source(kind: str, *confidence: float) -> Source:
    sure = np.array(confidence)
    clips = len(sure)
    answers, voters = np.full(clips, "a", dtype=object), np.ones(clips, dtype=np.int64)
    return Source(kind, np.zeros((clips, 2)), voters, answers, sure, 0.0, ("1",))


def _before(*sequence: str, sources: tuple[Source, ...], source: str = "llm") -> list[bool]:
    result = CertificationResult("", dict.fromkeys(sequence, 0.5), 1, 0, 0.0, 0, list(sequence))
    return accepted_before(sources, [result], 2, source).tolist()


def test_only_sources_before_the_language_model_spare_it() -> None:
    sources = (_source("rule", 0.9, 0.1), _source("model", 0.1, 0.9))
    assert _before("rule", "model", "llm", sources=sources) == [True, True]
    assert _before("rule", "llm", "model", sources=sources) == [True, False]
    assert _before("llm", "rule", "model", sources=sources) == [False, False]
    assert _before("llm", sources=sources) == [False, False]


def test_where_the_language_model_accepts_nothing_any_accepting_source_spares_it() -> None:
    sources = (_source("rule", 0.9, 0.1), _source("model", 0.1, 0.1))
    assert _before("rule", "model", sources=sources) == [True, False]
    assert _before("rule", "model", sources=()) == [False, False]


def test_the_surest_source_is_known_only_when_all_have_answered() -> None:
    """A rule that is sure enough is overruled by a language model that is surer of another class."""
    rule = _source("rule", 0.99, 0.99)
    by_class = [CertificationResult(name, {SUREST: 0.9}, 1, 0, 0.0, 0, [SUREST]) for name in ("a", "b")]
    answered = accepted_by(
        (rule, replace(_source("llm", 0.1, 0.995), answers=np.array(["b", "b"], dtype=object))), by_class, 2
    )
    assert answered.tolist() == [0, 1]
    assert accepted_by((rule,), by_class, 2).tolist() == [0, 0]
    assert accepted_before((rule,), by_class, 2, "llm").tolist() == [False, False]
