from typing import Self

from pydantic import Field, model_validator

from cu_pipeline.core.capability import Kind
from cu_pipeline.llm.clients.options import ClientOptions
from cu_pipeline.llm.methods.recipe import METHODS
from cu_pipeline.llm.prompts.inputs import InputOptions
from cu_pipeline.llm.prompts.task import CONTENT_FREE


class LlmOptions(InputOptions):
    """How a language model labels the clips that no person has labelled.

    Attributes:
        enabled: whether it does so at all.
        kinds: of capabilities that it labels. The packaged model is left out of multi-label ones, where none of its
            answers was shown to be better than the base rate.
        client: which model.
        prompt: name of a file in `conf/base/prompts`, or `champion`: what the prompt lab found best, method included.
        method: a key of `methods.recipe.METHODS`.
        shots: examples that a method shows which shows any.
        max_clips: per capability; the clips beyond it stay without a label, and a warning counts them.
        max_characters: to which captions and other texts are cut.
        hide_class_names: whether the classes' own names in captions and in text on screen, except in hashtags, are
            hidden from the model, so that a clip cannot dictate its label.
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
