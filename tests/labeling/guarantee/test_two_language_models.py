"""A cascade of two language models: the cheap one is certified first, and spares the dear one what it is sure of."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import ANNOTATIONS, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.labeling.aggregation import aggregate
from cu_pipeline.labeling.guarantee.calibration_set import CALIBRATION
from cu_pipeline.labeling.guarantee.cascade import certified_unasked
from cu_pipeline.labeling.guarantee.opinions import Asked, Opinions
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions
from cu_pipeline.labeling.guarantee.outcome import certify_capabilities
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.labeling.sources.eligibility import Ineligible, all_eligible, ineligible_clips

TOPIC = ResolvedCapabilities({"topic": Capability(classes=("a", "b"))})
ALPHA, DELTA, CORPORA = 0.05, 0.05, 40
CHEAP, DEAR = "small", "large"
PRICES, SKILL = {CHEAP: 0.0002, DEAR: 0.01}, {CHEAP: (6.0, 0.35), DEAR: (4.5, 0.2)}
DRAWN, REST = 700, 900


class Corpus:
    """Clips whose right label is `a`; each model is as sure of it as it is likely to be right."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng([seed, 53])
        self.names = pd.Index([f"c{number:04}" for number in range(DRAWN + REST)])
        self.sure = {
            name: pd.Series(np.clip(random.beta(*skill, len(self.names)), 0.5, 0.999).round(3), self.names)
            for name, skill in SKILL.items()
        }
        self.right = {name: random.random(len(self.names)) < sure for name, sure in self.sure.items()}

    def said(self, model: str, clips: "pd.Index[str]") -> pd.DataFrame:
        rows = []
        for clip in clips:
            sure = float(self.sure[model][clip])
            first = sure if self.right[model][clip] else round(1 - sure, 3)
            rows.append(
                {"clip_id": clip, "capability": "topic", "annotator": model, "kind": "llm", "version": "1", "draw": ""}
                | {"label": "a" if first >= 0.5 else "b", "price": PRICES[model]}
                | {"probabilities": json.dumps({"a": first, "b": round(1 - first, 3)})}
            )
        return table(rows, ANNOTATIONS)

    def opinions(self) -> Opinions:
        human = {"capability": "topic", "annotator": "ann", "kind": "human", "label": "a", "price": 0.04}
        drawn = self.names[:DRAWN]
        people = table([human | {"clip_id": name, "draw": "random"} for name in drawn], ANNOTATIONS)
        clips = pd.DataFrame({"clip_id": self.names, "media_sha256": "", "text_sha256": self.names})
        calibration = table([{"capability": "topic", "clip_id": name, "label": "a"} for name in drawn], CALIBRATION)
        opinions = Opinions(clips, TOPIC, people, calibration, GuaranteeOptions(alpha=ALPHA, delta=DELTA), 0.04)
        for model in (CHEAP, DEAR):
            opinions = opinions.awaiting({"topic": "1"}, model, {"topic": model}, all_eligible())
        return opinions

    def answered(self, opinions: Opinions, model: str, spared: frozenset[str] = frozenset()) -> Opinions:
        asked = self.names[~self.names.isin(list(spared))]
        return opinions.answered(self.said(model, asked), model, {"topic": Asked(len(asked), 0, len(spared))})


def test_the_dear_model_is_spared_what_the_cheap_one_has_certified() -> None:
    corpus = Corpus(1)
    start = corpus.opinions()
    assert certified_unasked(start, [], CHEAP) == {}
    heard = corpus.answered(corpus.answered(start, CHEAP), DEAR)
    tests, found = certify_capabilities(heard, [])
    (result,) = found["topic"].results
    assert result.sequence == ["llm:small", "llm:large"]
    assert [one["source"] for one in found["topic"].sources] == ["llm:small", "llm:large"]

    assert certified_unasked(start, tests, CHEAP) == {"topic": frozenset()}
    after_cheap = corpus.answered(start, CHEAP)
    spared = certified_unasked(after_cheap, tests, DEAR)["topic"]
    sure = corpus.sure[CHEAP][DRAWN:]
    assert spared == set(sure.index[sure >= result.thresholds["llm:small"]])
    assert 0 < len(spared) < REST

    in_turn = corpus.answered(after_cheap, DEAR, spared)
    made, again = certify_capabilities(in_turn, tests)
    assert (made, again["topic"].results) == ([], found["topic"].results)
    assert again["topic"].llm_clips_spared == len(spared)
    all_asked, cascade = (aggregate(one, found, PeopleOptions()) for one in (heard, in_turn))
    certified = all_asked["certified"]
    assert cascade["certified"].equals(certified)
    assert cascade.loc[certified, "label"].equals(all_asked.loc[certified, "label"])
    assert set(cascade.loc[certified, "source"]) == {"llm:small", "llm:large"}
    assert cascade["price"].sum() < all_asked["price"].sum()


def test_another_version_or_another_set_of_models_is_another_question() -> None:
    corpus = Corpus(1)
    heard = corpus.answered(corpus.answered(corpus.opinions(), CHEAP), DEAR)
    tests, _ = certify_capabilities(heard, [])
    newer = heard.annotations.assign(
        version=heard.annotations["version"].where(heard.annotations["annotator"] != DEAR, "2")
    )
    made, _ = certify_capabilities(replace(heard, annotations=newer), tests)
    assert [one.delta for one in made] == [DELTA / 12]
    alone = replace(heard, annotations=heard.annotations[heard.annotations["annotator"] != DEAR])
    made, found = certify_capabilities(alone, tests)
    assert len(made) == 1
    assert [one["source"] for one in found["topic"].sources] == ["llm"]


def test_a_clip_beyond_the_limit_of_one_model_is_not_eligible() -> None:
    corpus = Corpus(1)
    heard = corpus.answered(corpus.answered(corpus.opinions(), CHEAP), DEAR)
    limit = ineligible_clips("topic", {Ineligible.LIMIT: corpus.names[-100:]}, DEAR)
    found = certify_capabilities(replace(heard, ineligible=limit), [])[1]["topic"]
    assert (found.pool_ineligible, found.pool) == ({"limit": 100}, REST)
    other = limit.assign(annotator="a third one")
    assert certify_capabilities(replace(heard, ineligible=other), [])[1]["topic"].pool_ineligible == {}


def test_the_guarantee_holds_over_a_cascade_of_two_language_models() -> None:
    broken, certified = 0, 0
    for seed in range(CORPORA):
        corpus = Corpus(seed)
        heard = corpus.answered(corpus.answered(corpus.opinions(), CHEAP), DEAR)
        _, found = certify_capabilities(heard, [])
        labels = aggregate(heard, found, PeopleOptions())
        accepted = labels[labels["certified"]]
        wrong = [
            1 - corpus.sure[source.removeprefix("llm:")][clip]
            for source, clip in zip(accepted["source"], accepted["clip_id"], strict=True)
        ]
        certified += len(wrong) > 0
        broken += len(wrong) > 0 and float(np.mean(wrong)) > ALPHA
    print(f"broken {broken / CORPORA:.3f}, certified {certified / CORPORA:.3f}")  # noqa: T201
    assert broken / CORPORA <= DELTA + 2 * np.sqrt(DELTA * (1 - DELTA) / CORPORA)
    assert certified > 0.8 * CORPORA
