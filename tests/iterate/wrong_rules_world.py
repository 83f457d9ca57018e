"""What a challenger learns from clips about which rules answer, when the rules are wrong: a simulation.

A clip's vector is the sum of what is common to its class, what is common to its creator's clips, and noise. Drifted
clips show the same classes in another way. Who says what of clips is simulated; whose word counts, how that adds up to
labels, what these weigh, and the linear family that learns from them are the product's own.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import TypeAdapter

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.records import ANNOTATIONS, CLIPS, AnnotatorKind, Split, blank, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.ingest.served_clips import SERVED
from cu_pipeline.labeling.aggregation import aggregate
from cu_pipeline.labeling.guarantee.calibration_set import CALIBRATION
from cu_pipeline.labeling.guarantee.opinions import Opinions
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions
from cu_pipeline.labeling.options import LabelOptions
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.labeling.people.requests import LabelRequest, Purpose
from cu_pipeline.labeling.people.votes import GOLD
from cu_pipeline.labeling.sources.rules import AnyRule
from cu_pipeline.models.family import Examples, Model, soft_targets
from cu_pipeline.models.linear import Linear, LinearOptions
from cu_pipeline.models.training import training_data
from cu_pipeline.pipelines.label.nodes import annotate_with_rules

CLASSES: Final = ("a", "b", "c", "d")
TOPIC: Final = Capability(classes=CLASSES)
RULES: Final = tuple(
    TypeAdapter(AnyRule).validate_python(
        {"name": f"says_{one}", "kind": "keywords", "capability": "topic", "label": one, "words": [f"word{one}"]}
    )
    for one in CLASSES
)
"""One for each class, with the probability that a rule has by default."""

NOWHERE: Final = Path("no_rules.py")
WIDTH: Final = 16
SIGNAL, STYLE = 2.75, 0.5
"""How far apart classes are, and what a creator's clips have in common, against noise of 1."""

STAYS, MOVED = 0.66, 1.6
"""What drifted clips keep of the old signal, and how strong the new one is beside it."""

SLIPS: Final = 0.05
"""Share of people's answers that are wrong."""

FIRST, ASKED, DRAWN, ALONG = 240, 80, 54, 200
"""Clips of the first data set; that people are asked about then, and of these at random; that go along."""

SPEAKS: Final = 0.5
"""Share of the service's clips about which rules answer; people are asked by value about others."""


@dataclass(frozen=True)
class Wrong:
    """How rules err on the service's clips.

    Attributes:
        right: how often they are right; else they name another class at random.
        slang: whether they say the first class of all clips of the second one.
    """

    right: float
    slang: bool = False


ARMS: Final = {
    "95 % right": Wrong(0.95),
    "80 % right": Wrong(0.8),
    "60 % right": Wrong(0.6),
    "slang": Wrong(1.0, slang=True),
}


@dataclass(frozen=True)
class Clips:
    """n clips, with their vectors (n, WIDTH)."""

    names: NDArray[np.object_]
    truth: NDArray[np.int64]
    vectors: NDArray[np.float32]
    creators: NDArray[np.object_]

    def take(self, rows: NDArray[np.int64]) -> "Clips":
        return Clips(self.names[rows], self.truth[rows], self.vectors[rows], self.creators[rows])

    def table(self, feed: str, captions: NDArray[np.object_]) -> pd.DataFrame:
        rows = pd.DataFrame({"clip_id": self.names, "group": self.creators, "text": captions, "feed": feed})
        told = {"text_sha256": [text_sha256(one) for one in self.names], "split": Split.TRAIN.value}
        return table(pd.DataFrame([blank(CLIPS)] * len(rows)).assign(**rows, **told), CLIPS)


class World:
    """A first data set, and a service's traffic after a drift."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self._known: dict[tuple[tuple[str, str], ...], Model] = {}
        axes = np.linalg.qr(self.random.normal(size=(WIDTH, 2 * len(CLASSES))))[0].T
        self._old = axes[: len(CLASSES)] * SIGNAL
        self._new = self._old * STAYS + axes[len(CLASSES) :] * MOVED
        self.first = self._draw("first", FIRST, self._old)
        traffic, order = self._draw("seen", 600, self._new), self.random.permutation(600)
        self.asked, self.rest = traffic.take(order[:ASKED]), traffic.take(order[ASKED:])
        self.before, self.fresh = self._draw("before", 3000, self._old), self._draw("fresh", 3000, self._new)
        said = [self._people(self.first, GOLD), self._people(self.asked, "ann")]
        self.people = pd.concat(said, ignore_index=True)

    def _draw(self, name: str, number: int, means: NDArray[np.float64]) -> Clips:
        """Draw clips, eight of each creator, half of them of a class that this one likes."""
        creator, random = np.arange(number) // 8, self.random
        likes = random.integers(0, len(CLASSES), number)[creator]
        truth = np.where(random.random(number) < 0.5, likes, random.integers(0, len(CLASSES), number))
        style = STYLE * random.normal(size=(number, WIDTH))[creator]
        vectors = means[truth] + style + random.normal(size=(number, WIDTH))
        names = np.array([f"{name}-{one}" for one in range(number)], dtype=object)
        creators = np.array([f"creator:{name} {one}" for one in creator], dtype=object)
        return Clips(names, truth, vectors.astype(np.float32), creators)

    def _or_another(self, truth: NDArray[np.int64], said: NDArray[np.int64], errors: float) -> NDArray[np.int64]:
        """What is said, or, for a share of clips, some class that is not the true one."""
        other = (truth + self.random.integers(1, len(CLASSES), len(truth))) % len(CLASSES)
        return np.where(self.random.random(len(truth)) < errors, other, said)

    def _people(self, clips: Clips, annotator: str) -> pd.DataFrame:
        said = self._or_another(clips.truth, clips.truth, SLIPS)
        given = pd.DataFrame({"clip_id": clips.names, "label": [CLASSES[one] for one in said]})
        facts = {"capability": "topic", "annotator": annotator, "kind": AnnotatorKind.HUMAN.value, "price": 0.0}
        return table(pd.DataFrame([blank(ANNOTATIONS)] * len(given)).assign(**given, **facts), ANNOTATIONS)

    def captions(self, clips: Clips, wrong: Wrong) -> NDArray[np.object_]:
        """What rules go by."""
        said = np.where(clips.truth == 1, 0, clips.truth) if wrong.slang else clips.truth
        said = self._or_another(clips.truth, said, 1 - wrong.right)
        spoken = self.random.random(len(said)) < SPEAKS
        return np.where(spoken, np.array([f"word{one}" for one in CLASSES], dtype=object)[said], "")

    @cached_property
    def _told(self) -> list[pd.DataFrame]:
        """The tables of the first data set and of what people are asked about, where no rule speaks."""
        feeds = (("first", self.first), (SERVED, self.asked))
        return [clips.table(feed, np.full(len(clips.names), "", dtype=object)) for feed, clips in feeds]

    @cached_property
    def _vectors(self) -> dict[str, NDArray[np.float32]]:
        known = (self.first, self.asked, self.rest)
        return {name: row for one in known for name, row in zip(one.names, one.vectors, strict=True)}

    def first_model(self) -> Model:
        """Before the drift."""
        return self._fitted(self._told[0], self._labels(self._told[0], 0.0))

    def alone(self) -> Model:
        """Of people's labels alone."""
        clips = pd.concat(self._told, ignore_index=True)
        return self._fitted(clips, self._labels(clips, 0.0))

    def with_rules(self, wrong: Wrong, *least_right: float) -> list[Model]:
        """With the clips that go along, a model for each `along_least_right`."""
        asked, said = self.captions(self.asked, wrong), self.captions(self.rest, wrong)
        asked[DRAWN:] = ""
        rows = np.flatnonzero(said != "")[:ALONG]
        tables = [self._told[0], self._told[1].assign(text=asked), self.rest.take(rows).table(SERVED, said[rows])]
        clips = pd.concat(tables, ignore_index=True)
        return [self._fitted(clips, self._labels(clips, least)) for least in least_right]

    def _labels(self, clips: pd.DataFrame, least_right: float) -> pd.DataFrame:
        people = self.people[self.people["clip_id"].isin(clips["clip_id"])].reset_index(drop=True)
        resolved = ResolvedCapabilities({"topic": TOPIC})
        opinions = Opinions(clips, resolved, people, table([], CALIBRATION), GuaranteeOptions(), 0.04)
        requests = [LabelRequest("0001", one, Purpose.TEST) for one in self.asked.names]
        _, heard = annotate_with_rules(opinions, NOWHERE, RULES, requests, PeopleOptions(), least_right)
        return aggregate(heard, {}, PeopleOptions())

    def _fitted(self, clips: pd.DataFrame, labels: pd.DataFrame) -> Model:
        data = training_data("topic", TOPIC, clips, labels)
        learned = tuple(data.clips[["clip_id", "probabilities"]].itertuples(index=False, name=None))
        if learned in self._known:
            return self._known[learned]
        vectors = np.stack([self._vectors[one] for one in data.clips["clip_id"]])
        units = pd.factorize(data.clips["group"], sort=True)[0].astype(np.int64)
        examples = Examples(_features(vectors), soft_targets(data.clips, TOPIC), units)
        found = Linear().fit(examples, examples.take([]), TOPIC.kind, LinearOptions(), seed=0)
        return self._known.setdefault(learned, Linear().load(found.config, found.weights))


def _features(vectors: NDArray[np.float32]) -> ClipFeatures:
    return ClipFeatures({"captions": Feature(vectors, np.ones(len(vectors), dtype=np.bool_))}, len(vectors))


def right(model: Model, clips: Clips) -> float:
    """Share of clips that a model is right about."""
    return float((model.logits(_features(clips.vectors)).argmax(1) == clips.truth).mean())


def accuracies(seed: int) -> dict[str, float]:
    """Of the first model before and after the drift, and of challengers after it."""
    world, least = World(seed), LabelOptions().along_least_right
    first = world.first_model()
    found = {"first, before": right(first, world.before), "first": right(first, world.fresh)}
    found["alone"] = right(world.alone(), world.fresh)
    for name, wrong in ARMS.items():
        checked, believed = world.with_rules(wrong, least, 0.0)
        found |= {name: right(checked, world.fresh), f"{name}, believed": right(believed, world.fresh)}
    return found
