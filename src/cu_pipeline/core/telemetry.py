"""Switches off what the libraries would send home."""

import os
from typing import Final

SWITCHES: Final = {
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "true",  # MLflow, Kedro, Evidently; "1" is not enough for MLflow
    "DVC_NO_ANALYTICS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "KEDRO_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Environment variable -> the value that its library takes for "off"."""


def switch_off() -> None:
    """Set the switches of this process and its children. Call it before the libraries are imported."""
    os.environ.update(SWITCHES)
