from typing import Self

from pydantic import Field, model_validator

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.options import Options
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions
from cu_pipeline.labeling.people.options import ErrorOptions, PeopleOptions, QueueOptions, StudioOptions
from cu_pipeline.labeling.sources.options import NO_RULES, AnyRule
from cu_pipeline.prompting.calibration import CONTENT_FREE
from cu_pipeline.prompting.methods import METHODS
from cu_pipeline.prompting.options import ClientOptions


class ScreenTextOptions(Options):
    """How text on screen is read, where a prompt names it.

    Attributes:
        frames: of a clip that are read.
        size: longer side in pixels that the detector of text sees.
        least_confidence: of a line, below which it is left out.
        timeout_s: seconds of wall-clock time for one clip.
        memory_mb: address space of a reading process, in MiB.
    """

    frames: int = Field(default=2, ge=1, le=64)
    size: int = Field(default=480, ge=64, le=2000)
    least_confidence: float = Field(default=0.8, ge=0, le=1)
    timeout_s: float = Field(default=60.0, gt=0)
    memory_mb: int = Field(default=3072, ge=1024)


class TagOptions(Options):
    """How many tags of its frames a prompt that names them gets of a clip.

    Attributes:
        most: tags.
        least_probability: of a tag.
    """

    most: int = Field(default=5, ge=1, le=100)
    least_probability: float = Field(default=0.1, ge=0, le=1)


class PictureOptions(Options):
    """Frames that are shown to a model that sees.

    Attributes:
        count: of each clip; 0: none.
        side: the longer side of each, in pixels, at most.
    """

    count: int = Field(default=0, ge=0, le=64)
    side: int = Field(default=512, ge=32, le=4096)


class LlmOptions(Options):
    """How a language model labels the clips that no person has labelled.

    Attributes:
        enabled: whether it does so at all.
        kinds: of capabilities that it labels. The packaged model is left out of multi-label ones, where none of its
            answers was shown to be better than the base rate.
        client: which model.
        prompt: name of a file in `conf/base/prompts`, or `champion`: what the prompt lab found best, method included.
        method: a key of `prompting.methods.METHODS`.
        shots: examples that a method shows which shows any.
        max_clips: per capability; the clips beyond it stay without a label, and a warning counts them.
        max_characters: to which captions and other texts are cut.
        hide_class_names: whether the classes' own names in captions and in text on screen, except in hashtags, are
            hidden from the model, so that a clip cannot dictate its label.
        screen_text: how text on screen is read.
        tags: how many tags a clip has.
        pictures: frames that are shown to the model.
        content_free: captions that say nothing, to calibrate by.
        contrast: the answer that a class of a multi-label capability is weighed against, and that says in examples
            and in writing that none holds: what clips show to which no class applies.
    """

    enabled: bool = True
    kinds: tuple[Kind, ...] = (Kind.SINGLE,)
    client: ClientOptions = ClientOptions()
    prompt: str = "bare"
    method: str = "score_content_free"
    shots: int = Field(default=6, ge=1)
    max_clips: int = Field(default=500, ge=0)
    max_characters: int = Field(default=300, ge=1)
    hide_class_names: bool = True
    screen_text: ScreenTextOptions = ScreenTextOptions()
    tags: TagOptions = TagOptions()
    pictures: PictureOptions = PictureOptions()
    content_free: tuple[str, ...] = Field(default=CONTENT_FREE, min_length=1)
    contrast: str = Field(default="everyday life", min_length=1)

    @model_validator(mode="after")
    def _can_show_pictures(self) -> Self:
        if not self.pictures.count:
            return self
        if self.client.name != "openai" or self.client.openai.form != "chat":
            raise ValueError(
                f"pictures.count = {self.pictures.count} needs a model that sees, behind client.name: openai with "
                "client.openai.form: chat; 0 shows none"
            )
        if self.method in METHODS and METHODS[self.method].answer == "score":
            writing = ", ".join(name for name, method in METHODS.items() if method.answer != "score")
            raise ValueError(
                f"pictures.count = {self.pictures.count}: method {self.method!r} shows no pictures. Allowed: {writing}"
            )
        return self


class ChampionOptions(Options):
    """Whether the served models label clips that they have not learned from.

    Attributes:
        enabled: whether they do so at all.
        price: US dollars for one clip.
    """

    enabled: bool = False
    price: float = Field(default=0.0, ge=0)


class LabelOptions(Options):
    """Parameters of the label pipeline.

    Attributes:
        people: what their labels cost and how they add up.
        rules: that label clips by their facts; functions in conf/base/rules.py come on top.
        champion: the served models as a source.
        llm: a language model as a source.
        guarantee: what is guaranteed of labels that no person looks at.
        errors: how suspect labels are found.
        queue: which clips people are asked about.
        studio: how these come to Label Studio.
    """

    people: PeopleOptions = PeopleOptions()
    rules: tuple[AnyRule, ...] = NO_RULES
    champion: ChampionOptions = ChampionOptions()
    llm: LlmOptions = LlmOptions()
    guarantee: GuaranteeOptions = GuaranteeOptions()
    errors: ErrorOptions = ErrorOptions()
    queue: QueueOptions = QueueOptions()
    studio: StudioOptions = StudioOptions()
