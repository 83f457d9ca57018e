"""One truth of parameters: what is in force is told before a run, and the feed that a run was given stays."""

import logging
import os
from dataclasses import replace
from typing import Any

from kedro.framework.hooks import hook_impl

from cu_pipeline.hooks.run_state import Run, RunState
from cu_pipeline.tracking import dvc_lock, override_words, params_file, project_feed
from cu_pipeline.tracking.configuration import STAGE_VARIABLE
from cu_pipeline.tracking.overrides import Recorded
from cu_pipeline.tracking.parameter_trees import lay_over, look_up, nested
from cu_pipeline.tracking.project_feed import FEED, SAMPLE

_logger = logging.getLogger(__name__)


class ParametersHooks:
    """Says which parameters come from an earlier command line, and keeps the project's feed.

    Args:
        state: shared with the other hooks.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Say what earlier command lines left; inside a DVC stage, bring `params.yaml` up to date with `conf/` first.

        Raises:
            ConfigurationError: `params.yaml` has an unresolved merge, or is damaged.
        """
        if run := self._state.run:
            read = run.parameters(run.pipeline.inputs())
            lines = _repeated(run, read) if STAGE_VARIABLE in os.environ else _alone(run, read)
            for line in lines:
                _logger.info("%s", line)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Keep the feed as soon as its rows are stored, so that a run which is killed later leaves both or neither."""
        run = self._state.run
        if run and dataset_name == project_feed.TABLE:
            if STAGE_VARIABLE in os.environ:
                _write(run, run.context.config_loader.up_to_date()[0])
            else:
                keep_feed(run)


def keep_feed(run: Run) -> None:
    """Write the feed of a run into `params.yaml`, unless `conf/` states one, and say so where that is news."""
    loader = run.context.config_loader
    parameters, recorded = loader.run_parameters(), params_file.read_record(run.root)
    given, before = _feed(parameters.resolved), _feed(recorded.changes)
    stated = _feed(parameters.conf.environments[parameters.environment])
    wanted = project_feed.kept(given) if given is not None and stated is None else None
    changed = params_file.dropped(recorded, FEED)
    _write(run, changed if wanted is None else _with_feed(changed, wanted))
    _tell(given, stated, before, wanted)


def _tell(given: Any, stated: Any, before: Any, wanted: Any) -> None:
    shown = project_feed.in_words(given or SAMPLE)
    if stated is not None:
        if stated != given:
            later = project_feed.in_words(stated)
            _logger.warning("the feed is %s in this run alone: conf/ states %s, which later runs read", shown, later)
    elif wanted is None and given not in (None, SAMPLE):
        remedy = "for later runs, state collect.manifest in conf/local/parameters.yml"
        _logger.warning("the feed's address holds a key, and is not kept in a file that git keeps: %s", remedy)
    elif wanted != before:
        _logger.info("this project's feed is %s from now on (params.yaml): runs without MANIFEST read it", shown)


def _repeated(run: Run, read: set[str]) -> list[str]:
    loader = run.context.config_loader
    before, (recorded, ended) = _feed(params_file.read(run.root)), loader.up_to_date()
    # an edited feed is written when its rows are stored: until then it may be refused
    _write(run, recorded if before is None else _with_feed(recorded, before))
    return [*override_words.edits(ended), *override_words.in_force(recorded, read, loader.checkout)]


def _alone(run: Run, read: set[str]) -> list[str]:
    recorded, parameters = params_file.read_record(run.root), run.context.config_loader.run_parameters()
    return override_words.left_behind(recorded, parameters, read)


def _write(run: Run, recorded: Recorded) -> None:
    base = run.context.config_loader.base_parameters()
    params_file.write(run.root, base, recorded, dvc_lock.compared_parameters(run.root))


def _with_feed(recorded: Recorded, feed: Any) -> Recorded:
    return replace(recorded, changes=lay_over(recorded.changes, nested(FEED, feed)))


def _feed(parameters: Any) -> Any:
    try:
        return look_up(parameters, FEED)
    except KeyError:
        return None
