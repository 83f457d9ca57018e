"""How far a run is, and the time that its pipelines take."""

import logging
import time

from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node

from cu_pipeline.core import counters
from cu_pipeline.hooks.run_state import Run, RunState

_logger = logging.getLogger(__name__)


class ProgressHooks:
    """Says which node starts, and keeps what is done and how long it took.

    Args:
        state: shared with the other hooks.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._running: tuple[str, float] | None = None

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

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Note that the node ran to its end."""
        if run := self._state.run:
            run.done.append(node.name)

    @hook_impl
    def on_node_error(self, error: Exception, node: Node) -> None:
        """Note the node on the error."""
        error.add_note(f"node: {node.name}")

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Stop the clock."""
        if run := self._state.run:
            self._clock(run, None)

    def _clock(self, run: Run, node: str | None) -> None:
        """Charge the time since the last node started to its pipeline, the saving of its outputs included."""
        now = time.perf_counter()
        if self._running:
            before, since = self._running
            run.seconds[run.stage_of(before)] += now - since
        self._running = (node, now) if node else None
