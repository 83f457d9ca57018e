"""The Kedro project as the loop sees it: sessions that run in order, and datasets between them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.hashing import file_sha256
from cu_pipeline.iterate.failed_calls import FailedCallsFile
from cu_pipeline.iterate.ledger import IterationLog
from cu_pipeline.iterate.options import IterateOptions
from cu_pipeline.iterate.state import StateFile
from cu_pipeline.iterate.verdicts import VerdictLog
from cu_pipeline.tracking.configuration import model_problems
from cu_pipeline.tracking.mlflow_run import PARENT_VARIABLE

STATE: Final = Path("data/08_reporting/iteration.json")
LEDGER: Final = Path("data/08_reporting/iterations.jsonl")
VERDICTS: Final = Path("data/08_reporting/iterate_verdicts.jsonl")
FAILED_CALLS: Final = Path("data/08_reporting/iterate_failed_calls.json")
GROUP: Final = "iterate"


class Project:
    """One project and environment.

    Args:
        root: the project's folder.
        env: Kedro environment; None: the default.
    """

    def __init__(self, root: Path, env: str | None = None) -> None:
        self.root = root
        self.env = env
        self.state = StateFile(root / STATE)
        self.ledger = IterationLog(root / LEDGER)
        self.verdicts = VerdictLog(root / VERDICTS)
        self.failed_calls = FailedCallsFile(root / FAILED_CALLS)

    def run(
        self,
        pipelines: Sequence[str],
        *,
        parent: str = "",
        nodes: Sequence[str] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """Run pipelines in a session of its own, as `kedro run` does.

        Args:
            pipelines: their names.
            parent: MLflow's run that the session's run is nested in; "": in none.
            nodes: of these alone; None: all.
            parameters: as those of `--params`.
        """
        from kedro.framework.session import KedroSession

        with (
            _nested_in(parent),
            KedroSession.create(
                self.root, env=self.env, runtime_params=dict(parameters or {}), save_on_close=False
            ) as session,
        ):
            try:
                session.run(pipeline_names=list(pipelines), node_names=nodes)
            except BaseException as error:
                abandon(error)
                raise

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Open the project without running anything; yields Kedro's context."""
        from kedro.framework.session import KedroSession

        with KedroSession.create(self.root, env=self.env, save_on_close=False) as session:
            yield session.load_context()

    def load(self, *names: str) -> list[Any]:
        """Load datasets."""
        with self.opened() as context:
            catalog = context.catalog
            return [catalog.load(name) for name in names]

    def save(self, name: str, data: Any) -> None:
        """Save a dataset: a log grows."""
        with self.opened() as context:
            context.catalog.save(name, data)

    def options(self) -> IterateOptions:
        """Read the parameters of the loop.

        Raises:
            ConfigurationError: they cannot be used; all problems are told.
        """
        return self.parameters()[1]

    def parameters(self) -> tuple[dict[str, Any], IterateOptions]:
        """Read all parameters, and those of the loop.

        Raises:
            ConfigurationError: they cannot be used; all problems are told.
        """
        with self.opened() as context:
            parameters = context.params
        if problems := list(model_problems(parameters, {GROUP: IterateOptions})):
            raise ConfigurationError(problems)
        return parameters, IterateOptions.model_validate(parameters[GROUP])

    def paid_usd(self) -> float:
        """What labels have cost so far, US dollars, by the ledger of labels."""
        (entries,) = self.load("earlier_ledger")
        return float(entries["price"].sum())

    def hashes(self, *paths: str) -> dict[str, str]:
        """Hash files of the project; those that are absent are left out."""
        return {path: file_sha256(self.root / path) for path in paths if (self.root / path).is_file()}


@contextmanager
def _nested_in(parent: str) -> Iterator[None]:
    before = os.environ.get(PARENT_VARIABLE)
    if parent:
        os.environ[PARENT_VARIABLE] = parent
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(PARENT_VARIABLE, None)
        else:
            os.environ[PARENT_VARIABLE] = before


def abandon(error: BaseException) -> None:
    """End what an interrupted run left open; errors were dealt with by Kedro's hooks."""
    from kedro.framework.project import settings

    for hooks in settings.HOOKS:
        if hasattr(hooks, "abandon"):
            hooks.abandon(error)
