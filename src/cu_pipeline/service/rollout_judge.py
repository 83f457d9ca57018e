"""Looks at what live traffic says of the challengers, and ends a rollout when its tests decide."""

import fcntl
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Final

from cu_pipeline.core.errors import ConfigurationError, CuPipelineError, RunInProgressError
from cu_pipeline.inference.prediction_log import read_feedback, read_shadows, scan_log
from cu_pipeline.rollout import plan, trials
from cu_pipeline.rollout.evidence import Evidence
from cu_pipeline.rollout.judgement import decide
from cu_pipeline.rollout.plan import Rollout
from cu_pipeline.service.rollout_pairs import Pairing
from cu_pipeline.tracking import rollout_end

OVERLAP: Final = timedelta(seconds=30)
"""How far before the newest record of the last look the next begins: records of several processes come out of order."""

_BREATH: Final = 100
_BREATH_S: Final = 0.01
"""How long a reader of many records leaves the processor to requests, after so many of them."""

_JUDGE: Final = ".judge"

_logger = logging.getLogger("bentoml.cu_pipeline")


@dataclass
class _Watched:
    """A rollout that is judged.

    Attributes:
        pairing: what was read of it so far.
        since: the time from which the next look reads.
    """

    pairing: Pairing
    since: datetime


class Judge:
    """Reads the prediction log from where it stopped, weighs the evidence and ends rollouts.

    Of all processes that look at one folder, one judges: who holds the lock, which the system frees when that process
    ends. The next one reads the log from the rollout's start.

    Args:
        folder: of all rollouts.
        champions: folder of the bundles that are served.
        log: place of the prediction log.
    """

    def __init__(self, folder: Path, champions: Path, log: str | Path) -> None:
        self._folder, self._champions, self._log = folder, champions, log
        self._watched: dict[str, _Watched] = {}
        self._lock: IO[str] | None = None
        self._told: dict[str, str] = {}

    def look(self) -> None:
        """Look once at all rollouts that run."""
        rollouts = plan.running(self._folder)
        self._watched = {one.id: found for one in rollouts.values() if (found := self._watched.get(one.id))}
        if not rollouts or not self._may_judge(rollouts):
            return
        try:
            self._read(rollouts)
        except CuPipelineError as error:
            for rollout in rollouts.values():
                self._tell_once(rollout, error)
            return
        for rollout in rollouts.values():
            try:
                self._judge(rollout)
                self._told.pop(rollout.id, None)
            except CuPipelineError as error:
                self._tell_once(rollout, error)

    def close(self) -> None:
        """Let another process judge."""
        if self._lock is not None:
            self._lock.close()

    def _may_judge(self, rollouts: dict[str, Rollout]) -> bool:
        try:
            return self._leads()
        except OSError as error:
            fixed = ConfigurationError(
                f"{self._folder} cannot be written ({error.strerror}): let the service write there"
            )
            for rollout in rollouts.values():
                self._tell_once(rollout, fixed)
            return False

    def _leads(self) -> bool:
        """Whether this process judges."""
        if self._lock is None:
            lock = (self._folder / _JUDGE).open("a")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # another process judges
                lock.close()
                return False
            self._lock = lock
        return True

    def _read(self, rollouts: dict[str, Rollout]) -> None:
        """Hand what is new in the log to the rollouts that it is about."""
        for rollout in rollouts.values():
            self._watched.setdefault(rollout.id, _Watched(Pairing(rollout), rollout.started))
        since = newest = min(watched.since for watched in self._watched.values())
        pairings = [watched.pairing for watched in self._watched.values()]
        for number, answer in enumerate(scan_log(self._log, since=since), 1):
            newest = max(newest, answer.time)
            for pairing in pairings:
                pairing.answered(answer)
            if number % _BREATH == 0:
                time.sleep(_BREATH_S)
        shadows, feedback = read_shadows(self._log, since), read_feedback(self._log, since)
        for pairing in pairings:
            for shadow in shadows:
                pairing.shadowed(shadow)
            pairing.settle()
            for told in feedback:
                pairing.judged(told)
        for rollout in rollouts.values():
            self._watched[rollout.id].since = max(rollout.started, min(newest, datetime.now(UTC)) - OVERLAP)

    def _judge(self, rollout: Rollout) -> None:
        if rollout_end.replaced_by(self._champions, rollout) is not None:
            self._ended(rollout_end.stop_replaced(self._folder, self._champions, rollout))
            return
        evidence = self._watched[rollout.id].pairing.evidence
        self._keep(rollout, evidence)
        decision = decide(rollout, evidence, datetime.now(UTC))
        if decision is None:
            return
        if decision.status == "promoted":
            ended = rollout_end.promote(self._folder, self._champions, rollout, decision.reason)
        else:
            refused = decision.is_shown
            ended = rollout_end.roll_back(self._folder, self._champions, rollout, decision.reason, refused=refused)
        self._ended(ended)

    def _keep(self, rollout: Rollout, evidence: Evidence) -> None:
        if evidence != trials.read_evidence(self._folder, rollout.capability):
            with trials.changing(self._folder), suppress(ConfigurationError):
                trials.still_running(self._folder, rollout)
                trials.keep_evidence(self._folder, rollout.capability, evidence)

    def _ended(self, rollout: Rollout) -> None:
        _logger.info("%s: rollout of %s %s: %s", rollout.capability, rollout.challenger, rollout.status, rollout.reason)

    def _tell_once(self, rollout: Rollout, error: CuPipelineError) -> None:
        waits = "is decided, and waits: " if isinstance(error, RunInProgressError) else "cannot be judged: "
        if self._told.get(rollout.id) != str(error):
            _logger.warning("%s: its rollout %s%s", rollout.capability, waits, error)
        self._told[rollout.id] = str(error)
