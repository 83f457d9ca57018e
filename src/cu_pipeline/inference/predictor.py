"""The one way from a clip to predictions, in stages that a service can run for many clips at once."""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, Final

from cu_pipeline.compute.worker_pool import WorkerPool
from cu_pipeline.core.caption_text import clean_caption
from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.scope import request_facts
from cu_pipeline.features.clip_features import ClipFeatures, Feature, embedding, part_name
from cu_pipeline.features.extractor import empty_values, form_of
from cu_pipeline.inference.clip_reading import Decoded, ReadingTask, read_clip
from cu_pipeline.inference.explanation import Explanation, screen_text, without_each
from cu_pipeline.inference.prediction import Prediction, Question, ReadClip
from cu_pipeline.inference.scoring import ModelAnswer, failed, model_answers
from cu_pipeline.ingest.options import LanguageOptions
from cu_pipeline.media.options import Limits
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.scorer import Scorer

DECODER_NICENESS: Final = 3
"""Decoders step back a little: a caption's answer takes milliseconds and should not share its core with a film."""

_ONE_AT_A_TIME: Final = threading.Lock()
"""For what is decoded in this process: decoders that several threads use end it with a segmentation fault."""

_logger = logging.getLogger(__name__)


class Predictor:
    """The service, checks and notebooks all use it: `predict` for one clip, or its stages for many.

    Each model gets the features that it was trained on: two may read the same extractor with other parameters. A clip
    is decoded once for all of them.

    Args:
        bundles: capability -> bundle, the champions.
        limits: of what media is accepted; `timeout_s` holds for one clip from when a decoder takes it.
        workers: processes that decode media, so that what crashes or hangs a decoder costs that clip alone;
            `close` ends them. 0: media is decoded in this process, without limits on time and memory.
        former: a predictor that this one will replace: what it has loaded is used again, and its decoding processes
            too, where both look at media in the same way.
        challengers: capability -> bundle that may be asked beside or instead of the champion.
        decoder_replaced: is called when a decoding process takes the place of one that failed.

    Raises:
        BundleError: no bundle, or one was trained on features that this machine does not make.
    """

    def __init__(
        self,
        bundles: dict[str, Bundle],
        limits: Limits | None = None,
        workers: int = 0,
        former: "Predictor | None" = None,
        challengers: Mapping[str, Bundle] | None = None,
        decoder_replaced: Callable[[], None] | None = None,
    ) -> None:
        if not bundles:
            raise BundleError("there is no model bundle to predict with. Run `make run` to train one.")
        self.bundles = bundles
        self.challengers = {name: one for name, one in (challengers or {}).items() if name in bundles}
        limits = limits or Limits()
        self._scorers = {name: Scorer(bundle) for name, bundle in bundles.items()}
        self._challenging = {name: Scorer(bundle) for name, bundle in self.challengers.items()}
        both = [*bundles.values(), *self.challengers.values()]
        self._extractors = {part_name(one.identity): one for bundle in both for one in bundle.extractors().values()}
        loaded = {} if former is None else former._extractors
        self._extractors |= {name: loaded[name] for name in self._extractors.keys() & loaded.keys()}
        self._media = {name: one for name, one in self._extractors.items() if one.source == "media"}
        self._read = partial(read_clip, extractors=self._media, limits=limits)
        self._pool: WorkerPool[ReadingTask, Decoded] | None = None
        if former is not None and former._media.keys() == self._media.keys():
            self._pool = former._pool
        elif workers:
            self._pool = WorkerPool(
                self._read,
                size=workers,
                timeout_s=limits.timeout_s,
                memory_mb=limits.memory_mb,
                niceness=DECODER_NICENESS,
                replaced=decoder_replaced,
            )

    @classmethod
    def load(cls, folder: Path, limits: Limits | None = None, workers: int = 0) -> "Predictor":
        """Load every bundle in the subfolders of `folder`."""
        found = {bundle.capability: bundle for bundle in map(Bundle.load, _folders(folder))}
        return cls({name: found[name] for name in sorted(found)}, limits, workers)

    def predict(
        self,
        media: Path | None,
        text: str,
        told: Mapping[str, str] | None = None,
        capabilities: Collection[str] | None = None,
        explain: bool = False,
    ) -> Prediction:
        """Predict every capability that applies to one clip.

        Args:
            media: the video file, if there is one.
            text: the caption, cleaned here as the collect pipeline does; "" if there is none.
            told: what else is known that scopes may ask: `feed`, `lang`, and `metadata.KEY`. The language is found from
                the caption where it is not told.
            capabilities: only these are asked; None: all.
            explain: whether the prediction shall hold an explanation.

        Raises:
            BadClipError: the media is refused.
        """
        question = self.ask(media, text, told or {}, capabilities=capabilities, explain=explain)
        clip = ReadClip(question, self.decode(question))
        return self.score([clip], self.encode([clip]))[0]

    def ask(
        self,
        media: Path | None,
        text: str,
        told: Mapping[str, str],
        *,
        capabilities: Collection[str] | None = None,
        challenged: Collection[str] = (),
        explain: bool = False,
    ) -> Question:
        """Say what has to be computed for one clip; see `predict`.

        Args:
            media: the video file, if there is one.
            text: the caption.
            told: what else is known of the clip.
            capabilities: that are asked; those that nobody serves are left out. None: all; empty: nothing is asked, and
                only the embedding is made.
            challenged: capabilities that the challenger shall answer, where there is one.
            explain: whether an explanation is wanted.
        """
        text = clean_caption(text)
        asked = tuple(name for name in self.bundles if capabilities is None or name in capabilities)
        apart = self._not_applicable(asked, media is not None, text, told)
        answering = [name for name in asked if name not in apart]
        by_challenger = tuple(name for name in answering if name in challenged and name in self.challengers)
        readers = answering if capabilities else list(self.bundles)
        parts = self._parts_of(self.bundles[name] for name in readers)
        further = self._parts_of(self.challengers[name] for name in by_challenger)
        return Question(
            media=media,
            text=text,
            asked=asked,
            not_applicable=apart,
            challenged=by_challenger,
            parts=parts,
            further=tuple(part for part in further if part not in parts),
            explain=explain,
        )

    def decode(self, question: Question, most_pixels: float = inf) -> Decoded | None:
        """Read what the models need of a question's media; None where there is none.

        Args:
            question: about the clip.
            most_pixels: that may have to be decoded; a clip of more comes back `postponed`.

        Raises:
            BadClipError: the media is refused.
        """
        if question.media is None:
            return None
        decoded = self._decoded(question.media, question.parts, question.explain, most_pixels)
        further = [part for part in question.further if part in self._media]
        if not further or decoded.postponed:
            return decoded
        try:
            more = self._decoded(question.media, further)
        except Exception:  # the champion answers without it
            _logger.exception("what only challengers read of a clip could not be decoded")
            return decoded
        decoded.prepared.update(more.prepared)
        return decoded

    def encode(self, clips: Sequence[ReadClip]) -> dict[str, Feature]:
        """Run each extractor's model once for all clips that need it.

        Returns:
            Part of the embedding -> its feature of the n clips, absent where a clip has or needs none. Those that only
            challengers need are left out where they fail.
        """
        found = {}
        for name in self._extractors:
            if any(name in clip.question.parts for clip in clips):
                found[name] = self._encoded(name, clips)
            elif any(name in clip.question.further for clip in clips):
                try:
                    found[name] = self._encoded(name, clips)
                except Exception:  # the champion answers without it
                    _logger.exception("what only challengers read, %s, could not be encoded", name)
        return found

    def score(self, clips: Sequence[ReadClip], features: Mapping[str, Feature]) -> list[Prediction]:
        """Let the models answer about n clips whose features `encode` gave."""
        answers: list[dict[str, ModelAnswer]] = [{} for _ in clips]
        challengers: list[dict[str, ModelAnswer]] = [{} for _ in clips]
        for name, scorer in self._scorers.items():
            rows = [row for row, clip in enumerate(clips) if clip.question.is_about(name)]
            for row, answer in self._answers(scorer, features, rows):
                answers[row][name] = answer
        for name, scorer in self._challenging.items():
            rows = [row for row, clip in enumerate(clips) if name in clip.question.challenged]
            try:
                found = self._answers(scorer, features, rows)
            except Exception as error:  # the champion answers
                _logger.exception("%s: the challenger %s failed", name, scorer.bundle.version)
                found = [(row, failed(scorer.bundle.version, error)) for row in rows]
            for row, answer in found:
                challengers[row][name] = answer
        one = [{name: feature.take([row]) for name, feature in features.items()} for row in range(len(clips))]
        return [self._prediction(*given) for given in zip(clips, one, answers, challengers, strict=True)]

    def challenge(
        self, clip: ReadClip, features: Mapping[str, Feature], names: Collection[str]
    ) -> dict[str, ModelAnswer]:
        """Ask challengers about a clip that was answered, computing what only they read.

        Args:
            clip: that was answered.
            features: of this one clip, as far as they are known.
            names: capabilities.

        Returns:
            Capability -> the challenger's answer, or that it failed; of those that have a challenger.
        """
        found = {}
        for name in names:
            if name in self._challenging and clip.question.is_about(name):
                found[name] = self._challenged(self._challenging[name], clip, features)
        return found

    def close(self, successor: "Predictor | None" = None) -> None:
        """End the decoding processes, unless a successor goes on with them; media is refused from then on."""
        if self._pool is not None and (successor is None or successor._pool is not self._pool):
            self._pool.close()

    def _not_applicable(
        self, asked: Collection[str], has_video: bool, text: str, told: Mapping[str, str]
    ) -> dict[str, str]:
        """Say which capabilities do not apply to a clip, and why."""
        scopes = {name: self.bundles[name].scope for name in asked if self.bundles[name].scope.is_limited}
        facts = request_facts(has_video=has_video, has_text=bool(text)) | dict(told)
        if "lang" not in facts and any(scope.languages for scope in scopes.values()):
            from cu_pipeline.ingest.language import identify

            facts["lang"] = identify([text], LanguageOptions().least_probability)[0] if text else ""
        refusals = {name: scope.refusal(facts) for name, scope in scopes.items()}
        return {name: reason for name, reason in refusals.items() if reason}

    def _parts_of(self, bundles: Iterable[Bundle]) -> tuple[str, ...]:
        read = {part_name(key) for bundle in bundles for key in bundle.inputs.values()}
        return tuple(name for name in self._extractors if name in read)

    def _decoded(self, media: Path, parts: Collection[str], shots: bool = False, most_pixels: float = inf) -> Decoded:
        needed = tuple(part for part in parts if part in self._media)
        task = ReadingTask(str(media.absolute()), needed, shots, most_pixels)
        if self._pool is not None:
            return self._pool.run(task).get()
        with _ONE_AT_A_TIME:
            return self._read(task)

    def _encoded(self, name: str, clips: Sequence[ReadClip]) -> Feature:
        extractor = self._extractors[name]
        prepared = [self._prepared(name, clip) for clip in clips]
        values = empty_values(extractor.identity.shape, len(clips))
        usable = [row for row, one in enumerate(prepared) if one is not None]
        if usable:
            values[usable] = extractor.encode([prepared[row] for row in usable])
        return Feature.read(values)

    def _prepared(self, name: str, clip: ReadClip) -> Any:
        """The input of an extractor's model; None where the clip has none, or nobody needs it."""
        question = clip.question
        if name not in question.parts and name not in question.further:
            return None
        if name in self._media:
            return None if clip.decoded is None else clip.decoded.prepared.get(name)
        return self._extractors[name].prepare(question.text) if question.text else None

    def _answers(
        self, scorer: Scorer, features: Mapping[str, Feature], rows: Sequence[int]
    ) -> list[tuple[int, ModelAnswer]]:
        if not rows:
            return []
        inputs = {name: features[part_name(key)].take(rows) for name, key in scorer.bundle.inputs.items()}
        return list(zip(rows, model_answers(scorer, ClipFeatures(inputs, len(rows))), strict=True))

    def _challenged(self, scorer: Scorer, clip: ReadClip, features: Mapping[str, Feature]) -> ModelAnswer:
        try:
            missing = tuple(part for part in self._parts_of([scorer.bundle]) if part not in features)
            question = Question(clip.question.media, clip.question.text, (), {}, (), missing, ())
            known = dict(features)
            if missing:
                decoded = self.decode(question) if any(part in self._media for part in missing) else None
                known |= self.encode([ReadClip(question, decoded)])
            return self._answers(scorer, known, [0])[0][1]
        except Exception as error:  # told beside the answers of others
            return failed(scorer.bundle.version, error)

    def _prediction(
        self,
        clip: ReadClip,
        features: Mapping[str, Feature],
        champions: Mapping[str, ModelAnswer],
        challengers: dict[str, ModelAnswer],
    ) -> Prediction:
        question = clip.question
        standing = {name: one for name, one in challengers.items() if not one.error}
        answers = {name: standing.get(name, one) for name, one in champions.items()}
        vectors, parts = embedding({name: features[name] for name in question.parts}, 1)
        facts = {"text_length": float(len(question.text))} | ({} if clip.decoded is None else clip.decoded.facts)
        return Prediction(
            probabilities={name: one.probabilities for name, one in answers.items()},
            labels={name: one.label for name, one in answers.items()},
            versions={name: (answers.get(name) or self.bundles[name]).version for name in question.asked},
            embedding=vectors[0],
            parts=parts,
            facts=facts,
            not_applicable=question.not_applicable,
            sets={name: one.prediction_set for name, one in answers.items() if one.prediction_set},
            challengers=challengers,
            champions={name: champions[name] for name in standing},
            roles={name: "challenger" if name in standing else "champion" for name in answers},
            explanation=self._explanation(clip, features, standing) if question.explain else None,
        )

    def _explanation(self, clip: ReadClip, features: Mapping[str, Feature], standing: Collection[str]) -> Explanation:
        without = {}
        for name in filter(clip.question.is_about, clip.question.asked):
            scorer = self._challenging[name] if name in standing else self._scorers[name]
            inputs = {name: features[part_name(key)] for name, key in scorer.bundle.inputs.items()}
            without[name] = without_each(scorer, ClipFeatures(inputs, 1))
        read = [name for name, one in self._media.items() if form_of(one.identity.shape) == "text"]
        shots = [] if clip.decoded is None else clip.decoded.shots
        return Explanation(shots, screen_text(features, read), without)


def _folders(bundles: Path) -> list[Path]:
    return [config.parent for config in sorted(bundles.glob("*/bundle.json"))]
