"""How far a run is, and the time that its pipelines take."""

import logging
import threading
import time
from typing import Final

from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node

from cu_pipeline.core import counters, progress
from cu_pipeline.hooks.run_state import Run, RunState

_logger = logging.getLogger(__name__)


SILENCE_S: Final = 10.0
"""Seconds for which a node may say nothing."""

LONG_S: Final = 2.0
"""Seconds from which the time is told that a node took."""


class ProgressHooks:
    """Says which node starts, that it goes on, and how long it took, and keeps what is done.

    Args:
        state: shared with the other hooks.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._running: tuple[str, float] | None = None
        self._heart: Heartbeat | None = None

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Start counting from 0."""
        counters.reset()
        self._running = None

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Say which node starts."""
        if run := self._state.run:
            self._clock(run, node.name)
            number, total = len(run.done) + 1, len(run.pipeline.nodes)
            _logger.info("[%d/%d] %s: %s", number, total, run.stage_of(node.name), node.name)
            self._heart = Heartbeat(f"[{number}/{total}] {node.name}")

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Note that the node ran to its end, and tell its time where that was long."""
        self._calm()
        if self._running and (seconds := time.perf_counter() - self._running[1]) >= LONG_S:
            _logger.info("%s took %.0f s", node.name, seconds)
        if run := self._state.run:
            run.done.append(node.name)

    @hook_impl
    def on_node_error(self, error: Exception, node: Node) -> None:
        """Note the node on the error."""
        self._calm()
        error.add_note(f"node: {node.name}")

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Stop the clock."""
        if run := self._state.run:
            self._clock(run, None)

    def _calm(self) -> None:
        if self._heart:
            self._heart.stop()
            self._heart = None

    def _clock(self, run: Run, node: str | None) -> None:
        """Charge the time since the last node started to its pipeline, the saving of its outputs included."""
        now = time.perf_counter()
        if self._running:
            before, since = self._running
            run.seconds[run.stage_of(before)] += now - since
        self._running = (node, now) if node else None


class Heartbeat:
    """Says that long work goes on, where no bar says it.

    Args:
        work: its name.
        every_s: seconds of silence after which it is said.
    """

    def __init__(self, work: str, every_s: float = SILENCE_S) -> None:
        self._work, self._every_s = work, every_s
        self._started = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Say no more; what is being said is said first."""
        self._stopped.set()
        self._thread.join()

    def _beat(self) -> None:
        """Wait longer each time, so that an hour of work does not fill the log."""
        wait = self._every_s
        while not self._stopped.wait(wait):
            if not progress.shown_within(self._every_s * 2):
                _logger.info("%s goes on, %.0f s so far", self._work, time.monotonic() - self._started)
            wait = min(wait * 1.5, 6 * self._every_s)
