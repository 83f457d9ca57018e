"""What a run has written goes to the shared places that are set for it."""

import logging

from kedro.framework.hooks import hook_impl

from cu_pipeline.core.errors import PlaceError
from cu_pipeline.hooks.run_state import RunState

_logger = logging.getLogger(__name__)


class StoresHooks:
    """Publishes champions and reports after a run, where `stores` has addresses for them.

    Args:
        state: shared with the other hooks.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Publish them; a place that cannot be used costs a warning, since the run itself is done."""
        run = self._state.run
        options = run.context.params.get("stores") if run else None
        if run is None or options is None or not (options.champions or options.reports):
            return
        from cu_pipeline.tracking.shared_stores import SharedStores

        try:
            for told in SharedStores(run.root, options, run.files).after_run(run.written()):
                _logger.info("%s", told)
        except PlaceError as error:
            _logger.warning("not published: %s. Later: `kedro stores push`", error)
