"""Commands of this project, added to Kedro's or put in their place."""

import click

from cu_pipeline.cli.data import dvc_yaml, snapshots
from cu_pipeline.cli.labels import labels
from cu_pipeline.cli.overrides import parameters
from cu_pipeline.cli.run import llm_server, run, traffic


@click.group(name="cu-pipeline")
def cli() -> None:
    """Commands of this project."""


for command in (run, parameters, dvc_yaml, snapshots, traffic, llm_server, labels):
    cli.add_command(command)
