"""What went to people and what came back, in words."""

from collections import Counter
from collections.abc import Mapping, Sequence

from cu_pipeline.labeling.people.batches import Review, State
from cu_pipeline.labeling.people.harvest import Harvest
from cu_pipeline.labeling.people.task_sending import Pushed
from cu_pipeline.labeling.people.work_log import AnswerState


def status_table(reviews: Sequence[Review]) -> str:
    """Write a table of batches, the reasons below it."""
    if not reviews:
        return "no batch was sent to people yet: `kedro labels push`, or `kedro labels export FILE`"
    head = ["batch", "state", "used", "clips", "answered", "gold", "agreement", "spent"]
    rows = [
        [
            one.batch.batch,
            one.state.value,
            "yes" if one.accepted else "no",
            str(len(one.batch.items)),
            str(one.complete),
            f"{one.gold_right}/{one.gold_asked}",
            "-" if one.agreement is None else f"{one.agreement:.0%}",
            f"${one.spent:.2f}",
        ]
        for one in reviews
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    ]
    reasons = [f"{one.batch.batch}: {one.reason}" for one in reviews]
    return "\n".join([*lines, "", *reasons])


def push_message(pushed: Pushed, place: str, reviews: Sequence[Review]) -> str:
    """Say what was sent, and which clips wait for answers where."""
    waiting: Counter[str] = Counter()
    for one in reviews:
        if one.state is State.OPEN:
            waiting[one.batch.place] += len(one.batch.items) - one.complete
    lines = [f"{pushed.sent} clips sent to {place}"]
    if pushed.readdressed:
        lines.append(f"{pushed.readdressed} clips there got the new address of their media")
    if pushed.doubled:
        lines.append(f"{pushed.doubled} clips were there twice, and are there once now")
    lines += [f"{number} clips wait for answers at {where}" for where, number in waiting.items()]
    return "\n".join(lines)


def not_played_message(clips: Mapping[str, int]) -> str:
    """Warn of clips that people cannot see."""
    codecs = ", ".join(f"{number} {codec}" for codec, number in clips.items())
    return f"browsers do not play {codecs}: people must skip these clips, or convert them to H.264 in the feed"


def harvest_message(found: Harvest) -> str:
    """Say what came in."""
    numbers = {state: sum(answer.state is state for answer in found.fresh) for state in AnswerState}
    lines = [", ".join(f"{number} {state.value}" for state, number in numbers.items()) + " since the last time"]
    if found.foreign:
        lines.append(f"{found.foreign} tasks there were not sent by this project, and are left alone")
    if found.further:
        lines.append(
            f"{found.further} parts of answers, such as notes, belong to no question of this project, and are not used"
        )
    return "\n".join(lines)
