"""Where the cluster's parts lie and listen, and their secrets: made once, and kept in `.cluster/` of the project."""

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
"""The only address that a part listens on."""

PORTS = {"postgres": 5434, "s3": 9100, "mlflow": 5001, "ray": 6380}
BUCKET = "cu-pipeline"
REGION = "us-east-1"
DATABASE = "cu_pipeline"
TRACKING = "mlflow"
FOLDER = ".cluster"

_ENV_HEAD = """\
# What programs need to reach the parts of the cluster; it holds passwords. `set -a; . .cluster/env; set +a` takes it
# into a shell, and `make … ENV=cluster` does so by itself. `make cluster-up` wrote it.
"""


class ClusterError(Exception):
    """What went wrong and what to do about it; told without a traceback."""


@dataclass(frozen=True)
class Settings:
    """Of one cluster.

    Attributes:
        folder: of its data, logs and secrets.
        ports: of the parts.
        secrets: passwords and keys by name; never printed.
    """

    folder: Path
    ports: dict[str, int]
    secrets: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, root: Path, ports: dict[str, int]) -> "Settings":
        """Read what was made before, and make what is not there.

        Args:
            root: the project's folder.
            ports: those that are asked for; the others are as before, or the usual ones.
        """
        folder = root / FOLDER
        folder.mkdir(mode=0o711, exist_ok=True)  # PostgreSQL's user passes through it
        kept = _read(folder / "settings.json")
        made = cls(
            folder,
            PORTS | kept.get("ports", {}) | ports,
            {name: secrets.token_urlsafe(24) for name in ("postgres", "project", "mlflow", "ray")}
            | {"s3_key": secrets.token_hex(10), "s3_secret": secrets.token_urlsafe(30)}
            | kept.get("secrets", {}),
        )
        _write(folder / "settings.json", json.dumps({"ports": made.ports, "secrets": made.secrets}, indent=1) + "\n")
        return made

    def address(self, part: str) -> str:
        """Where a part listens, as `host:port`."""
        return f"{HOST}:{self.ports[part]}"

    def database(self, name: str, role: str) -> str:
        """Address of one of PostgreSQL's databases, its password in it."""
        return f"postgresql+psycopg://{name}:{self.secrets[role]}@{self.address('postgres')}/{name}"

    def storage_environment(self) -> dict[str, str]:
        """What clients of S3 read."""
        return {
            "AWS_ACCESS_KEY_ID": self.secrets["s3_key"],
            "AWS_SECRET_ACCESS_KEY": self.secrets["s3_secret"],
            "AWS_ENDPOINT_URL": f"http://{self.address('s3')}",
            "AWS_DEFAULT_REGION": REGION,
            # a bucket's name is no part of the host's here
            "AWS_S3_ADDRESSING_STYLE": "path",
        }

    def ray_environment(self) -> dict[str, str]:
        """What clients of Ray read."""
        return {
            "RAY_ADDRESS": self.address("ray"),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.secrets["ray"],
            # else clients put the machine's own address in the place of the loopback one
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        }

    def write_environment(self) -> Path:
        """Write what users' programs need, readable by its owner alone."""
        values = {
            "MLFLOW_TRACKING_URI": f"http://{self.address('mlflow')}",
            "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
            "CU_PIPELINE_DATABASE_URL": self.database(DATABASE, "project"),
            **self.ray_environment(),
            **self.storage_environment(),
        }
        path = self.folder / "env"
        _write(path, _ENV_HEAD + "".join(f"{name}={value}\n" for name, value in values.items()))
        return path


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ClusterError(
            f"{path} is damaged: {error}. Remedy: `make cluster-down`, then remove {path.parent}, its data included"
        ) from error


def _write(path: Path, text: str) -> None:
    """Replace a file in one step by one that only its owner can read."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
    new.replace(path)
