"""`kedro ipython` and `kedro jupyter`, which say what to install where it is lacking."""

import copy
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Final

import click
from kedro.framework.cli.jupyter import jupyter as kedro_jupyter
from kedro.framework.cli.project import ipython as kedro_ipython

_MODULES: Final = {"ipython": "IPython", "setup": "ipykernel", "notebook": "notebook", "lab": "jupyterlab"}
"""Command of Kedro -> the module that it needs."""


def _with_remedy(command: click.Command) -> click.Command:
    """Copy a command of Kedro; the copy says how the extra is installed where Kedro names a file that is not here."""
    module = _MODULES[str(command.name)]
    callback: Callable[..., Any] = command.callback or (lambda **_: None)

    def run(*given: Any, **options: Any) -> Any:
        if find_spec(module) is None:
            raise click.ClickException(
                f"kedro {click.get_current_context().command_path.split(' ', 1)[-1]} needs the package {module}: run "
                "`make install-notebook`, or `pip install -c constraints.txt -e '.[notebook]'`"
            )
        return callback(*given, **options)

    wrapped = copy.copy(command)
    wrapped.callback = run
    return wrapped


ipython = _with_remedy(kedro_ipython)
jupyter = click.Group(
    "jupyter",
    {name: _with_remedy(command) for name, command in kedro_jupyter.commands.items()},
    help=kedro_jupyter.help,
)
