"""Which tests are made on which clips of the references and of a window, and which are left out and why."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from cu_pipeline.core.capability import Kind
from cu_pipeline.drift.clip_tests import DriftTest, Sides, Untested
from cu_pipeline.drift.options import DriftOptions
from cu_pipeline.drift.samples import ClipSample, part_titles, shared_parts
from cu_pipeline.drift.table import Purpose, drift_tests
from cu_pipeline.drift.unit_design import UnitDesign
from cu_pipeline.drift.unit_statistics import UnitStatistic

OF_UNIT: Final = 20
"""Clips of one unit and side that are read, at most."""

_TIMES: Final = 1.5
"""Of a unit of the reference are read so many times the clips that one of the traffic has on average: units that say
much more than those of the traffic are no fair comparison where events are rare."""


@dataclass(frozen=True)
class Asked:
    """A test on clips of a window.

    Attributes:
        window: its name.
        test: that is made; `novel` names rows of the traffic's table.
        design: which clips are of which unit.
        statistic: of the test.
    """

    window: str
    test: DriftTest
    design: UnitDesign
    statistic: UnitStatistic


@dataclass(frozen=True)
class Pair:
    """Two samples that are compared, and what is asked of them."""

    purpose: Purpose
    before: ClipSample
    now: ClipSample
    capabilities: dict[str, Kind] = field(default_factory=dict)


class Asking:
    """Makes the tests of a window.

    Tests of inputs are made once for all capabilities whose models learned from the same clips.

    Args:
        window: its name.
        options: what is tested.
        seed: decides which clips are left out of large samples.
    """

    def __init__(self, window: str, options: DriftOptions, seed: int) -> None:
        self._window, self._options, self._seed = window, options, seed
        self.skipped: dict[str, str] = {}

    def tests(
        self, references: Mapping[str, ClipSample], now: ClipSample, capabilities: Mapping[str, Kind]
    ) -> Iterator[Asked]:
        """Make all tests; afterwards `skipped` tells what was left out.

        Args:
            references: capability -> what its model learned from, with units.
            now: the clips of the window, with units.
            capabilities: whose predictions are tested.
        """
        distinct: dict[str, list[str]] = {}
        for name, sample in references.items():
            distinct.setdefault(_clips_of(sample), []).append(name)
        for names in distinct.values():
            told = "" if len(distinct) == 1 else f" of {' and '.join(names)}"
            for one in self._inputs(references[names[0]], now, told):
                yield one if len(distinct) == 1 else _renamed(one, names[0])
            own = {name: kind for name, kind in capabilities.items() if name in names}
            for name, kind in own.items():
                yield from self._answers(references[name], now, name, kind, told)

    def _inputs(self, reference: ClipSample, now: ClipSample, told: str) -> Iterator[Asked]:
        before = self._of_splits(reference, self._options.reference_splits, f"inputs{told}")
        if before is None:
            return
        yield from self._asked(Pair("inputs", before, now))
        _, apart = shared_parts(before, now)
        reason = "the reference and the served models read other features"
        self.skipped |= {f"embedding_{shown}": reason for shown in part_titles(apart).values()}

    def _answers(self, reference: ClipSample, now: ClipSample, name: str, kind: Kind, told: str) -> Iterator[Asked]:
        """Make the tests of a capability's answers, on the clips that it applies to."""
        before = self._of_splits(reference, self._options.prediction_splits, f"predictions{told}")
        if before is None:
            return
        ours, theirs = before.answered(name), now.answered(name)
        least = self._options.min_reference, self._options.min_clips
        if len(ours) < least[0]:
            reason = f"it applies to {len(ours)} clips of the reference; {least[0]} are needed"
            self.skipped[f"predictions of {name}"] = reason
        elif len(theirs) < least[1]:
            reason = f"it applies to {len(theirs)} clips of the service; {least[1]} are needed"
            self.skipped[f"predictions of {name}"] = reason
        else:
            yield from self._asked(Pair("predictions", ours, theirs, {name: kind}))

    def _of_splits(self, sample: ClipSample, splits: Sequence[str], what: str) -> ClipSample | None:
        used = ClipSample(sample.table[sample.table["split"].isin(splits)])
        if len(used) >= self._options.min_reference:
            return used
        told, least = " and ".join(splits), self._options.min_reference
        self.skipped[what] = f"the reference has {len(used)} clips of {told}; {least} are needed"
        return None

    def _asked(self, pair: Pair) -> Iterator[Asked]:
        """Thin both sides and make the tests of one purpose on them."""
        rng = seeded(self._seed, self._window, pair.purpose, *pair.capabilities)
        most = self._options.max_clips
        before = pair.before.thinned(most, _of_unit(pair.now), rng)
        now = pair.now.thinned(most, OF_UNIT, rng)
        current = np.repeat([False, True], [len(before), len(now)])
        design = UnitDesign.of(np.concatenate([before.units(), now.units()]), current)
        if not design.tells:
            what = " and ".join(pair.capabilities) or "inputs"
            self.skipped[f"{what}, {self._window}"] = "too few creators on one of the sides tell of a difference"
            return
        for test in drift_tests(pair.purpose, Sides(before, now, self._options.facts, pair.capabilities)):
            if isinstance(test, Untested):
                self.skipped[test.name] = test.why
                continue
            named = replace(test, novel=[int(now.table.index[place]) for place in test.novel])
            yield Asked(self._window, named, design, UnitStatistic(design, test.scores, test.combine, test.margin))


def seeded(seed: int, *purpose: str) -> np.random.Generator:
    """Random numbers for a purpose."""
    return np.random.default_rng([seed, *hashlib.sha256("/".join(purpose).encode()).digest()])


def _of_unit(now: ClipSample) -> int:
    """How many clips of a unit of the reference are read, by the traffic's average."""
    return int(min(OF_UNIT, np.ceil(_TIMES * len(now) / max(1, now.table["group"].nunique()))))


def _renamed(asked: Asked, capability: str) -> Asked:
    return replace(asked, test=replace(asked.test, name=f"{asked.test.name}_{capability}"))


def _clips_of(sample: ClipSample) -> str:
    """What two references of the same clips have in common."""
    named = sample.table["clip_id"] + "/" + sample.table["split"]
    return hashlib.sha256("\n".join(named).encode()).hexdigest()
