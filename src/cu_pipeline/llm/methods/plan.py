from collections.abc import Sequence
from dataclasses import dataclass

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.llm.clients.protocol import ModelQuestion, ScoringQuestion, WritingQuestion
from cu_pipeline.llm.methods.few_shot import Pool, examples_for
from cu_pipeline.llm.methods.recipe import Example, Recipe, misfit
from cu_pipeline.llm.prompts.prompt import ClipInputs, Prompt, as_data
from cu_pipeline.llm.prompts.task import class_words, dictated, label_choices, label_words, spoken, worded

GENERATED_TOKENS = 16
"""After which what a model writes is cut: longer than any class's name."""

MOST_GENERATED_TOKENS = 64
"""The same where several classes may be named."""


@dataclass(frozen=True)
class Task:
    """What is asked of each caption.

    Attributes:
        name: of the capability.
        capability: with its classes.
        contrast: the answer that a class of a multi-label capability is weighed against; stands for no class.
        content_free: captions that say nothing, to calibrate by.
        max_characters: to which captions are cut.
        hide_class_names: whether the classes' names in captions, and words that say that no class holds, are hidden
            from the model, so that a caption cannot dictate its label.
    """

    name: str
    capability: Capability
    contrast: str
    content_free: tuple[str, ...]
    max_characters: int
    hide_class_names: bool = False

    def answers(self, form: str) -> tuple[str, ...]:
        """Give the words of all classes, and of the contrast if several classes may hold."""
        contrast = (worded(self.contrast, form),) if self.capability.kind is Kind.MULTI else ()
        return (*class_words(self.capability, form), *contrast)

    def words(self, label: str, form: str) -> str:
        """Give the words for a label."""
        return label_words(label, self.capability, self.contrast, form)

    def choices(self, form: str) -> tuple[str, ...]:
        """Give the words for every label there can be."""
        return label_choices(self.capability, self.contrast, form)

    @property
    def longest(self) -> int:
        """Give after how many tokens what a model writes is cut."""
        named = len(self.capability.classes) if self.capability.kind is Kind.MULTI else 1
        return min(GENERATED_TOKENS * named, MOST_GENERATED_TOKENS)

    def data(self, text: str) -> str:
        """Make a text that people wrote safe to stand in a prompt."""
        hidden = dictated(self.capability, self.contrast) if self.hide_class_names else ()
        return as_data(text, self.max_characters, hidden)

    def safe(self, clip: ClipInputs) -> ClipInputs:
        """Make what is known of a clip safe to stand in a prompt; tags are a model's, so they may name classes."""
        return clip.mapped(lambda name, text: as_data(text, self.max_characters) if name == "tags" else self.data(text))


@dataclass(frozen=True)
class Plan:
    """What a recipe asks about some captions.

    Attributes:
        recipe: how.
        task: what.
        questions: one a clip.
        content_free: about captions that say nothing; none if the method does not need them.
    """

    recipe: Recipe
    task: Task
    questions: tuple[ModelQuestion, ...]
    content_free: tuple[ModelQuestion, ...] = ()

    @property
    def everything(self) -> tuple[ModelQuestion, ...]:
        """All questions, the content-free ones first."""
        return (*self.content_free, *self.questions)


def plan(recipe: Recipe, task: Task, clips: Sequence[ClipInputs], pool: Pool, order: int = 0) -> Plan:
    """Write the questions that a recipe asks about clips.

    Args:
        recipe: prompt and method.
        task: what is asked.
        clips: what is known of them, as it is.
        pool: where nearest examples come from.
        order: of the examples.

    Raises:
        ConfigurationError: the method cannot do what the task asks, or the prompt names what it is not given.
    """
    if why := misfit(recipe, task.capability):
        raise ConfigurationError(f"{task.name}: {why}")
    method = recipe.how
    prompt = Prompt(recipe.template)
    writer = _Writer(prompt, recipe, task)
    told = [task.safe(clip) for clip in clips]
    examples = examples_for(recipe, [clip.text for clip in told], pool, order)
    nothing = [task.data(text) for text in task.content_free] if method.calibration == "content_free" else []
    return Plan(
        recipe,
        task,
        tuple(writer.question(clip, shown) for clip, shown in zip(told, examples, strict=True)),
        tuple(
            writer.question(ClipInputs(text), shown)
            for text, shown in zip(nothing, examples_for(recipe, nothing, pool, order), strict=True)
        ),
    )


class _Writer:
    """Writes a recipe's questions one by one."""

    def __init__(self, prompt: Prompt, recipe: Recipe, task: Task) -> None:
        self._prompt, self._recipe, self._task = prompt, recipe, task
        self._answers = task.answers(recipe.form)
        contrast = worded(task.contrast, recipe.form) if task.capability.kind is Kind.MULTI else ""
        name = spoken(task.name)
        self._context = {
            "name": name,
            "description": task.capability.description or name,
            "classes": list(class_words(task.capability, recipe.form)),
            "class_descriptions": {
                worded(name, recipe.form): text for name, text in task.capability.class_descriptions.items()
            },
            "contrast": contrast,
        }
        self._shared: dict[tuple[Example, ...], str] = {}

    def question(self, clip: ClipInputs, examples: tuple[Example, ...]) -> ModelQuestion:
        context = self._context | {"examples": [self._shown(one) for one in examples]}
        prompt = self._prompt.render(clip, **context)
        if examples not in self._shared:
            self._shared[examples] = self._prompt.shared(**context)
        shared = self._shared[examples] if prompt.startswith(self._shared[examples]) else ""
        if self._recipe.how.answer == "score":
            return ScoringQuestion(prompt, tuple(f" {answer}" for answer in self._answers), shared)
        choices = self._task.choices(self._recipe.form) if self._recipe.how.answer == "choose" else ()
        count = self._recipe.pictures
        pictures = clip.pictures.take(count) if clip.pictures and count else None
        return WritingQuestion(prompt, self._task.longest, choices, pictures, shared=shared)

    def _shown(self, example: Example) -> dict[str, str]:
        return {"text": example.text, "answer": self._task.words(example.label, self._recipe.form)}
