"""Which requests the challengers of rollouts answer in this process, followed as rollouts start, change and end."""

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Self

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.rollout import plan, trials
from cu_pipeline.rollout.plan import Role, Rollout, assign, place_of
from cu_pipeline.service.rollout_judge import Judge

POLL_S: Final = 2.0
"""Seconds between two looks at the folder of rollouts."""

JUDGE_S: Final = 10.0
"""Seconds between two looks at the evidence."""

_logger = logging.getLogger("bentoml.cu_pipeline")  # BentoML shows what its own loggers are told


class Rollouts:
    """Tells the engine whom to ask: its `Router`.

    Every process of the service has one and looks for itself. One of them also judges.

    Args:
        folder: of all rollouts; it need not exist.
        judge: looks at the evidence and ends rollouts.
        poll_s: seconds between two looks at the folder.
        judge_s: seconds between two looks at the evidence.
    """

    def __init__(self, folder: Path, judge: Judge, poll_s: float = POLL_S, judge_s: float = JUDGE_S) -> None:
        self._folder, self._judge = folder, judge
        self._rollouts: dict[str, Rollout] = {}
        self._told = ""
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(work, seconds), name=name, daemon=True)
            for name, work, seconds in (("rollouts", self.look, poll_s), ("rollout judge", judge.look, judge_s))
        ]

    @classmethod
    def start(
        cls, folder: Path, champions: Path, log: str | Path, poll_s: float = POLL_S, judge_s: float = JUDGE_S
    ) -> Self:
        """Follow the rollouts in a folder until `close`.

        Args:
            folder: of all rollouts; it need not exist.
            champions: folder of the bundles that are served.
            log: place of the prediction log.
            poll_s: seconds between two looks at the folder.
            judge_s: seconds between two looks at the evidence.
        """
        rollouts = cls(folder, Judge(folder, champions, log), poll_s, judge_s)
        rollouts.look()
        for thread in rollouts._threads:
            thread.start()
        return rollouts

    def challengers(self) -> Mapping[str, Path]:
        """The folders of the challengers' bundles, by capability."""
        places = {name: place_of(self._folder, name) for name in self._rollouts}
        return {name: place for name, place in places.items() if trials.holds_challenger(place)}

    def role(self, capability: str, key: str) -> Role:
        """Whose answer a request gets.

        Args:
            capability: that is asked about.
            key: what names the creator and the clip; see `assign`.
        """
        rollout = self._rollouts.get(capability)
        return "champion" if rollout is None else assign(rollout, key)

    def shadowed(self, capability: str) -> bool:
        """Whether the model that has not answered is asked too, after the answer."""
        return capability in self._rollouts

    def look(self) -> None:
        """Follow what has changed in the folder."""
        try:
            found = plan.running(self._folder)
        except ConfigurationError as error:
            if str(error) != self._told:
                _logger.error("rollouts stay as they were: %s", error)
            self._told = str(error)
            return
        before, self._rollouts, self._told = self._rollouts, found, ""
        for name in sorted(before.keys() | found.keys()):
            if before.get(name) != found.get(name):
                _logger.info("%s: %s", name, _in_words(found.get(name)))

    def close(self, timeout_s: float = 5.0) -> None:
        """Look no more."""
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout_s)
        self._judge.close()

    def _repeat(self, work: Callable[[], None], seconds: float) -> None:
        while not self._stop.wait(seconds):
            try:
                work()
            except Exception:  # nothing that happens to files or the log may end the following
                _logger.exception("the rollouts in %s could not be looked at", self._folder)


def _in_words(rollout: Rollout | None) -> str:
    if rollout is None:
        return "no rollout any more"
    if rollout.mode == "shadow":
        return f"the challenger {rollout.challenger} is asked in the shadow of {rollout.champion}"
    return f"the challenger {rollout.challenger} answers {rollout.percent:g} % beside {rollout.champion}"
