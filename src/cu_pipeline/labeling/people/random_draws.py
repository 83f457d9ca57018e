"""The clips that are drawn at random: a share of the queue, and as many as certificates of machine labels lack."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cu_pipeline.labeling.people.batches import Review, State
from cu_pipeline.labeling.people.work_log import Draw


@dataclass(frozen=True)
class Shortage:
    """How many random draws the certificate of one capability lacks, and how far a queue brings them.

    Attributes:
        capability: whose labels are to be certified.
        needed: about as many labelled clips are lacking.
        out: of them with people already.
        queued: of them in the queue.
        waiting: clips that could be drawn.
        price: US dollars for the draws that are in neither, with all their questions; 0 where they would not help.
    """

    capability: str
    needed: int
    out: int
    queued: int
    waiting: int
    price: float

    @property
    def is_in_reach(self) -> bool:
        """Whether a certificate would leave clips that no person has looked at."""
        return self.needed - self.out < self.waiting

    @property
    def lacking(self) -> int:
        """How many of the draws are neither out nor in the queue."""
        return max(self.needed - self.out - self.queued, 0)

    def message(self, room: str) -> str:
        """Say what the queue brings and what it would take to bring the rest.

        Args:
            room: what bounds the queue, as people set it.
        """
        told = f"{self.capability}: a certificate lacks about {self.needed} random draws"
        told += f"; {self.out} are with people" if self.out else ""
        if not self.is_in_reach:
            return (
                f"{told}, and only {self.waiting} clips wait: people would have to look at them all. Collect more "
                "clips, or allow a larger label.guarantee.alpha"
            )
        told += f"; {self.queued} are in the queue"
        return f"{told}. The other {self.lacking} cost ${self.price:.2f}, and {room}" if self.lacking else told


def draw_at_random(
    waiting: Sequence[str],
    questions: Mapping[str, Sequence[str]],
    share: int,
    lacking: Mapping[str, tuple[int, int]],
    room: int,
    price: float,
) -> tuple[set[str], list[Shortage]]:
    """Draw the clips with the lowest hashes, so that they are a uniform sample of those that wait.

    Where capabilities have scopes, those that no clip links draw apart: a sample is uniform among the clips of each
    capability as long as it is so among all clips of capabilities that share some.

    Args:
        waiting: clips in the order of their hashes.
        questions: clip -> the capabilities that are asked about it.
        share: of the first clips, that are drawn anyway.
        lacking: capability -> draws that its certificate lacks, and of these, how many are with people.
        room: for more than the share.
        price: US dollars for one question.

    Returns:
        The clips, and how far they bring what is lacking; nothing of a capability about which no clip is left to ask.
    """
    could = Counter(name for clip in waiting for name in questions[clip])
    ahead = {name: needed - out for name, (needed, out) in lacking.items() if needed - out < could[name]}
    first = set(waiting[:share])
    wanted = [clip for clip in _lowest(waiting, questions, ahead) if clip not in first]
    drawn, beyond = first | set(wanted[:room]), wanted[room:]
    queued = Counter(name for clip in drawn for name in questions[clip])
    return drawn, [
        Shortage(
            capability=name,
            needed=needed,
            out=out,
            queued=queued[name],
            waiting=could[name],
            price=price * sum(len(questions[clip]) for clip in beyond if name in questions[clip]),
        )
        for name, (needed, out) in lacking.items()
        if needed and (could[name] or out)
    ]


def with_people(reviews: Iterable[Review], questions: Mapping[str, Collection[str]]) -> Counter[str]:
    """Count for each capability the random draws that wait for answers.

    Args:
        reviews: of all batches.
        questions: clip -> the capabilities that are asked about it.
    """
    return Counter(
        name
        for one in reviews
        if one.state is not State.DONE
        for item in one.batch.items
        if item.draw is Draw.RANDOM
        for name in questions.get(item.clip_id, ())
        if name in one.batch.capabilities
    )


def _lowest(waiting: Sequence[str], questions: Mapping[str, Sequence[str]], ahead: Mapping[str, int]) -> Iterator[str]:
    """Give clips in their order until each capability has as many as it needs, from its part alone."""
    part = _linked(questions[clip] for clip in waiting)
    left = {name: number for name, number in ahead.items() if number > 0}
    for clip in waiting:
        if not left:
            return
        if {part[name] for name in left} & {part[name] for name in questions[clip]}:
            yield clip
            left = {name: number - (name in questions[clip]) for name, number in left.items()}
            left = {name: number for name, number in left.items() if number > 0}


def _linked(questions: Iterable[Sequence[str]]) -> dict[str, str]:
    """Give each capability the name of its part: two are in one part if clips link them."""
    part: dict[str, str] = {}
    for names in {tuple(one) for one in questions if one}:
        old = {part.get(name, name) for name in names}
        for name in names:
            part.setdefault(name, names[0])
        part = {name: names[0] if mine in old else mine for name, mine in part.items()}
    return part
