import click
import pytest
from click.testing import CliRunner

from cu_pipeline.cli import cli, notebook


@pytest.mark.parametrize("typed", [["ipython"], ["jupyter", "lab"], ["jupyter", "notebook"], ["jupyter", "setup"]])
def test_without_the_extra_each_command_says_how_to_install_it(
    typed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "find_spec", lambda _: None)
    done = CliRunner().invoke(cli, typed)
    assert done.exit_code == 1
    assert f"{' '.join(typed)} needs the package" in done.output
    assert "make install-notebook" in done.output


def test_kedros_own_commands_stay_as_they_are() -> None:
    from kedro.framework.cli.jupyter import jupyter

    assert isinstance(jupyter.commands["lab"], click.Command)
    assert jupyter.commands["lab"].callback is not notebook.jupyter.commands["lab"].callback
