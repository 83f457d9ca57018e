"""Commands of this project, added to Kedro's or put in their place."""

import click

from cu_pipeline.cli.captures import captures
from cu_pipeline.cli.data import dvc_yaml, snapshots
from cu_pipeline.cli.drift import drift
from cu_pipeline.cli.gc import gc
from cu_pipeline.cli.iterate import iterate
from cu_pipeline.cli.keys import keys
from cu_pipeline.cli.labels import labels
from cu_pipeline.cli.log import log
from cu_pipeline.cli.metrics import metrics
from cu_pipeline.cli.models import models
from cu_pipeline.cli.notebook import ipython, jupyter
from cu_pipeline.cli.overrides import parameters
from cu_pipeline.cli.predict import predict
from cu_pipeline.cli.reproduce import reproduce
from cu_pipeline.cli.rollout import rollout
from cu_pipeline.cli.run import llm_server, run, traffic
from cu_pipeline.cli.simulate import simulate
from cu_pipeline.cli.ui import ui


@click.group(name="cu-pipeline")
def cli() -> None:
    """Commands of this project."""


_COMMANDS = (
    run,
    predict,
    models,
    rollout,
    iterate,
    simulate,
    labels,
    captures,
    keys,
    parameters,
    log,
    drift,
    metrics,
    snapshots,
    reproduce,
    gc,
    ui,
    traffic,
    llm_server,
    dvc_yaml,
    ipython,
    jupyter,
)

for command in _COMMANDS:
    cli.add_command(command)
