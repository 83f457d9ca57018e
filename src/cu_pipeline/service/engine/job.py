"""One request on its way through the stages."""

import asyncio
from dataclasses import dataclass, field
from time import monotonic

from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.inference.clip_reading import Decoded
from cu_pipeline.inference.prediction import Prediction, Question, ReadClip
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.service.engine.interface import Answered, ClipRequest, DeadlineError, ShadowInput
from cu_pipeline.service.engine.lane import LanePlace
from cu_pipeline.service.engine.live_predictor import Generation, LivePredictor


@dataclass(eq=False)
class Job:
    """A request, what is known of it so far, and who waits for it.

    Its place in a lane and its predictor are given back when the work has ended, whether or not the client waits.

    Attributes:
        request: what is asked.
        live: whose predictor answers.
        generation: the predictor, from start to end.
        place: in its lane.
        answer: the client's, in the event loop.
        deadline: monotonic time.
        embed: whether only the features are wanted.
        question: what the first stage made of the request.
        decoded: of its media.
        timings: milliseconds by stage.
        since: monotonic time from which it has been waiting for the next stage.
    """

    request: ClipRequest
    live: LivePredictor
    generation: Generation
    place: LanePlace
    answer: "asyncio.Future[Answered]"
    deadline: float
    embed: bool = False
    question: Question | None = None
    decoded: Decoded | None = None
    timings: dict[str, float] = field(default_factory=dict)
    since: float = field(default_factory=monotonic)

    @property
    def predictor(self) -> Predictor:
        """What answers it."""
        return self.generation.predictor

    @property
    def clip(self) -> ReadClip:
        """What was read of it."""
        if self.question is None:
            raise RuntimeError("the first stage makes the question")
        return ReadClip(self.question, self.decoded)

    def wanted(self) -> bool:
        """Tell whether anybody still waits; else the job ends here."""
        if self.answer.done():
            self._end(worked=False)
            return False
        if monotonic() >= self.deadline:
            self.fail(DeadlineError(f"not answered in {self.place.lane.deadline_s:g} s"), worked=False)
            return False
        return True

    def begins(self) -> float:
        """Begin a stage: what passed since the last one was waiting."""
        now = monotonic()
        self.timings["queue"] = self.timings.get("queue", 0.0) + 1000 * (now - self.since)
        return now

    def took(self, stage: str, begun: float) -> None:
        """End a stage."""
        self.since = monotonic()
        self.timings[stage] = self.timings.get(stage, 0.0) + 1000 * (self.since - begun)

    def move(self, place: LanePlace) -> None:
        """Go on in another lane; what was done so far says nothing about the others in the former one."""
        self.place.leave(worked=False)
        self.place = place

    def succeed(self, prediction: Prediction, shadow_input: ShadowInput | None) -> None:
        """Answer."""
        question = self.clip.question
        media = "" if self.decoded is None else self.decoded.sha256
        text = text_sha256(question.text) if question.text else ""
        self._end(worked=True)
        self._tell(Answered(prediction, self.timings, media, text, shadow_input), None)

    def fail(self, error: Exception, worked: bool = True) -> None:
        """Refuse."""
        self._end(worked)
        self._tell(None, error)

    def _end(self, worked: bool) -> None:
        if self.place.leave(worked):
            self.live.give_back(self.generation)

    def _tell(self, answered: Answered | None, error: Exception | None) -> None:
        def tell() -> None:
            if self.answer.done():
                return
            if error is not None:
                self.answer.set_exception(error)
            elif answered is not None:
                self.answer.set_result(answered)

        loop = self.answer.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell)
