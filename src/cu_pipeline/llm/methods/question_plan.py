from collections.abc import Sequence
from dataclasses import dataclass

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.llm.clients.protocol import ModelQuestion, ScoringQuestion, WritingQuestion
from cu_pipeline.llm.methods.few_shot import Pool, examples_for
from cu_pipeline.llm.methods.recipe import Example, Recipe, misfit
from cu_pipeline.llm.prompts.prompt import ClipInputs, Prompt
from cu_pipeline.llm.prompts.task import Task, spoken


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
    inputs = [task.safe(clip) for clip in clips]
    examples = examples_for(recipe, [clip.text for clip in inputs], pool, order)
    nothing = [task.data(text) for text in task.content_free] if method.calibration == "content_free" else []
    return Plan(
        recipe,
        task,
        tuple(writer.question(clip, shown) for clip, shown in zip(inputs, examples, strict=True)),
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
        contrast = task.no_class(recipe.form) if task.capability.kind is Kind.MULTI else ""
        name = spoken(task.name)
        self._context = {
            "name": name,
            "description": task.capability.description or name,
            "classes": list(task.classes(recipe.form)),
            "class_descriptions": {
                words: task.capability.class_descriptions[name]
                for name, words in zip(task.capability.classes, task.classes(recipe.form), strict=True)
                if name in task.capability.class_descriptions
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
