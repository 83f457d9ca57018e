"""Who does what, for ledgers and locks."""

import getpass
import os
import socket
from typing import Final

VARIABLE: Final = "CU_PIPELINE_ACTOR"


def actor() -> str:
    """Name whom this process runs for: `CU_PIPELINE_ACTOR`, else `CI`, else the user; with the machine, as user@host."""
    return os.environ.get(VARIABLE) or f"{_user()}@{socket.gethostname()}"


def _user() -> str:
    if os.environ.get("CI", "").lower() not in {"", "0", "false"}:
        return "CI"
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have no name
        return f"user {os.getuid()}"
