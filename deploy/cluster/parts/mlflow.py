"""MLflow's server: runs and models in PostgreSQL, artifacts in S3, which clients reach through it."""

import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from deploy.cluster.processes import Part
from deploy.cluster.settings import BUCKET, HOST, TRACKING, ClusterError, Settings


def parts(settings: Settings) -> Iterator[Part]:
    """Make the server's part."""
    missing = [name for name in ("psycopg", "boto3") if find_spec(name) is None]
    if missing:
        raise ClusterError(
            f"MLflow's server needs {', '.join(missing)}. Remedy: `pip install -c constraints.txt -e '.[postgres,s3]' "
            "boto3`"
        )
    port = settings.ports["mlflow"]
    yield Part(
        name="mlflow",
        port=port,
        command=[
            Path(sys.executable).parent / "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1",
            "--artifacts-destination", f"s3://{BUCKET}/mlflow",
        ],
        answers=lambda: _answers(f"http://{HOST}:{port}/health"),
        environment={
            "MLFLOW_BACKEND_STORE_URI": settings.database(TRACKING, "mlflow"),
            "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
            "MLFLOW_S3_ENDPOINT_URL": f"http://{settings.address('s3')}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            **settings.storage_environment(),
        },
    )  # fmt: skip


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
