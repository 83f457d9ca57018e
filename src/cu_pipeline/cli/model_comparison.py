"""Two models of one capability, asked about the same labelled test clips of today."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cu_pipeline.cli.model_words import number, table
from cu_pipeline.core.errors import BundleError
from cu_pipeline.evaluation.account import Account, GateTest
from cu_pipeline.evaluation.contest import Contest
from cu_pipeline.evaluation.gate_trial import Trial
from cu_pipeline.evaluation.judged import Judged
from cu_pipeline.evaluation.metrics import METRICS, ScoredClips, measure
from cu_pipeline.evaluation.paired_test import TEST, PairedGain
from cu_pipeline.evaluation.skill import accuracy_gains
from cu_pipeline.inference.contests import contest_of
from cu_pipeline.models.bundle import Bundle

if TYPE_CHECKING:
    from cu_pipeline.cli.model_project import ModelProject

_EXPLORATORY = """This is an exploratory comparison. Its p-values are right for one look that was planned beforehand:
who looks at many models and takes the best of them takes some luck for merit. Nothing is entered in the gate's
account by it. A promotion by hand is: it counts as a test of both models on these clips, and the gate's next test has
less of alpha left."""


@dataclass(frozen=True)
class Comparison:
    """What two models say of the same clips.

    Attributes:
        contest: with the answers of both.
        first: what the first one says.
        second: likewise.
    """

    contest: Contest
    first: ScoredClips
    second: ScoredClips

    @property
    def gain(self) -> PairedGain:
        """What the second one gains over the first in accuracy."""
        return PairedGain.of(accuracy_gains(self.second, self.first), self.contest.units)

    def lines(self, names: tuple[str, str]) -> Iterator[str]:
        """Tell it, the gain of the second over the first last."""
        gain, numbers = self.gain, [measure(self.first), measure(self.second)]
        low, high = gain.interval()
        right = [one.correct() for one in (self.first, self.second)]
        yield f"On {gain.clips} labelled test clips of {gain.units} units, which neither learned from:"
        rows = [[METRICS[name].words, *(number(one[name]) for one in numbers)] for name in numbers[0]]
        yield table(["", *names], rows)
        yield (
            f"{names[1]} gains {gain.effect:+.3f} [{low:+.3f}, {high:+.3f}] in accuracy over {names[0]}: it alone is "
            f"right on {(right[1] & ~right[0]).sum()} of them, {names[0]} alone on {(right[0] & ~right[1]).sum()}"
        )
        worse = PairedGain(-gain.sums, gain.sizes)
        yield f"{TEST}: {names[1]} better p = {gain.p_value():.2g}, {names[0]} better p = {worse.p_value():.2g}"
        yield ""
        yield _EXPLORATORY

    def test(self, earlier: list[GateTest], alpha: float) -> list[GateTest]:
        """Count it as a test that led to the second one's promotion; none where the two were tested before.

        Args:
            earlier: all tests of the gate.
            alpha: chance of any wrong promotion on one set of test clips.
        """
        account = Account(self.contest.capability, earlier)
        return Trial.of(self.contest, self.gain, self.gain.p_value(), account, alpha).entries


def compare(project: "ModelProject", first: Bundle, second: Bundle) -> Comparison | str:
    """Ask two models about today's labelled test clips that neither learned from.

    Returns:
        What came out, or why they cannot be compared.
    """
    if reason := _obstacle(project, first, second):
        return reason
    clips, labels, store = (project.catalog.load(name) for name in ("clips", "labels", "features"))
    judged = Judged.of(first.capability, first.answers, clips, labels)
    contest = contest_of(second, first, judged, store)
    if contest.answers is None or contest.opposed is None:
        labelled = len(judged.clips["test"])
        if not labelled:
            return "no clip of the test split has a label by people"
        if contest.learned == labelled:
            return f"all {labelled} labelled test clips are ones that one of them learned from"
        return (
            f"the features that both read are stored for none of the {labelled} labelled test clips. Runs compute what "
            "the champion reads and what featurize.extractors names"
        )
    return Comparison(contest, contest.opposed, contest.answers)


def _obstacle(project: "ModelProject", first: Bundle, second: Bundle) -> str:
    """Why two models cannot be asked the same; "": they can, as far as they themselves tell."""
    if first.version == second.version:
        return "they are the same model"
    if first.kind != second.kind or first.classes != second.classes:
        both = " and ".join(f"{one.version}: {', '.join(one.classes)} ({one.kind.value})" for one in (first, second))
        return f"they do not recognise the same classes ({both})"
    try:
        for one in (first, second):
            one.extractors()
    except BundleError as error:
        return str(error)
    absent = [name for name in ("clips", "labels") if not project.catalog.exists(name)]
    return f"the project has no {' and '.join(absent)} yet: `make run`" if absent else ""
