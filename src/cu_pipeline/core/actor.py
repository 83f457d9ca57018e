"""Who does what, for ledgers and locks."""

import getpass
import os
import socket
from typing import Final

VARIABLE: Final = "CU_PIPELINE_ACTOR"


def actor() -> str:
    """Name whom this process runs for, with the machine: `anna@laptop`, or `CI@runner`.

    `CU_PIPELINE_ACTOR` takes the place of both.
    """
    return os.environ.get(VARIABLE) or f"{_user()}@{socket.gethostname()}"


def _user() -> str:
    if os.environ.get("CI", "").lower() not in {"", "0", "false"}:
        return "CI"
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have no name
        return f"user {os.getuid()}"
