"""What people said of the service's answers, as annotations of the clips that it was asked about."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from cu_pipeline.core.capability import NOT_APPLICABLE, Capabilities, join_label, split_label
from cu_pipeline.core.caption_text import clean_name, folded_name
from cu_pipeline.core.counters import count
from cu_pipeline.core.rows import Rows
from cu_pipeline.ingest.labels import read_label

ANNOTATOR: Final = "service"
"""The annotator that stands for people who did not say who they are."""

Content = tuple[str, str]
"""Hashes of a clip's media and of its caption; "" for what it lacks."""

_SHOWN: Final = 5
_LONGEST: Final = 80

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServedFeedback:
    """A person's word on an answer.

    Attributes:
        feedback_id: of it.
        time: when it came, ISO 8601.
        capability: that it is about.
        label: as in the tables of labels.
        annotator: who says so; "": unknown.
        media_sha256: of the clip's media; "": it had none.
        text_sha256: of its caption; "": likewise. Both are "" where the log does not know the request.
    """

    feedback_id: str
    time: str
    capability: str
    label: str
    annotator: str
    media_sha256: str
    text_sha256: str

    @property
    def content(self) -> Content:
        """What it is about."""
        return self.media_sha256, self.text_sha256

    def as_json(self) -> dict[str, Any]:
        """Write it for the file of feedback."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read it from there."""
        return cls(**record)


def feedback_labels(
    feedback: Iterable[ServedFeedback], clips: Rows, capabilities: Capabilities, used: Mapping[str, Set[str]]
) -> list[tuple[str, str, str, str]]:
    """Find the clips that people spoke of by their content, and list what they said.

    Of what one person said of one clip the latest counts. An annotator is called `service`, or `service/NAME`, so that
    how good they are is estimated apart from people of other sources. What cannot be used is left out, counted and
    told: of a capability or a class that is none today, or of a clip that nothing is known of.

    Args:
        feedback: all that came.
        clips: rows of usable clips, with `clip_id`, `media_sha256` and `text_sha256`; one content may stand several
            times.
        capabilities: that are configured.
        used: capability -> the classes that the feeds' labels name; their spelling holds where none are configured.

    Returns:
        Clip, capability, annotator and label of each, in the order of the clips.
    """
    spellings = {
        name: {folded_name(one): one for one in capability.classes or sorted(used.get(name, ()))}
        for name, capability in capabilities.root.items()
    }
    said: dict[Content, dict[tuple[str, str], str]] = {}
    problems: Counter[str] = Counter()
    for one in sorted(feedback, key=lambda one: (one.time, one.feedback_id)):
        try:
            label = _label(one, capabilities, spellings)
        except ValueError as error:
            problems[str(error)] += 1
            continue
        name = clean_name(one.annotator)
        said.setdefault(one.content, {})[one.capability, f"{ANNOTATOR}/{name}" if name else ANNOTATOR] = label
    for problem, times in problems.most_common(_SHOWN):
        _log.warning("feedback is left out (%d times): %s", times, problem)
    count("feedback_left_out", problems.total())
    found = list(_clips_of(said.keys(), clips))
    _count_unmatched(said, {content for _, content in found})
    return [
        (clip_id, capability, who, label)
        for clip_id, content in found
        for (capability, who), label in said[content].items()
    ]


def _clips_of(contents: Set[Content], clips: Rows) -> Iterator[tuple[str, Content]]:
    """Find the clips that have one of the contents."""
    media, texts = {one for one, _ in contents}, {one for _, one in contents}
    for batch in clips.batches(["clip_id", "media_sha256", "text_sha256"]) if contents else ():
        near = batch[batch["media_sha256"].isin(media) & batch["text_sha256"].isin(texts)]
        for clip_id, *content in near.itertuples(index=False, name=None):
            if (key := (content[0], content[1])) in contents:
                yield clip_id, key


def _count_unmatched(said: Mapping[Content, Mapping[tuple[str, str], str]], here: Set[Content]) -> None:
    """Tell of what people said of clips that no feed has."""
    unmatched = sum(len(labels) for content, labels in said.items() if content not in here)
    count("feedback_unmatched", unmatched)
    if unmatched:
        _log.warning(
            "%d labels by people are of clips that the service saw and no feed has. Remedy: have the service keep what "
            "it is asked (CU_PIPELINE_CAPTURE), and add `capture` to collect.manifest",
            unmatched,
        )


def _label(one: ServedFeedback, capabilities: Capabilities, spellings: Mapping[str, dict[str, str]]) -> str:
    """What feedback says, as tables keep it; a new class of a capability without configured ones joins `spellings`.

    Raises:
        ValueError: it cannot be used.
    """
    if not any(one.content):
        raise ValueError("the prediction log no longer knows, or never kept, what its request was about")
    capability = capabilities.root.get(one.capability)
    if capability is None:
        known = ", ".join(capabilities.root)
        raise ValueError(f"{one.capability!r} is no configured capability; there are {known}")
    label = read_label(one.label, capability.kind, f"{one.capability} {one.label[:_LONGEST]!r}")
    if label in {"", NOT_APPLICABLE}:
        raise ValueError(f"{one.label!r} is no answer to {one.capability!r}")
    spelt, named = spellings[one.capability], split_label(label, capability.kind)
    if capability.classes and (unknown := [name for name in named if folded_name(name) not in spelt]):
        shown = ", ".join(map(repr, unknown))
        raise ValueError(f"{shown} is no class of {one.capability!r}; there are {', '.join(capability.classes)}")
    return join_label([spelt.setdefault(folded_name(name), name) for name in named], capability.kind)
