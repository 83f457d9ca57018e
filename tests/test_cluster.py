"""The parts that a team shares, started as processes."""

import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import yaml

PARTS = ("postgres", "s3", "mlflow", "ray")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give an empty project that PostgreSQL's own user gets to, if root runs the tests."""
    with tempfile.TemporaryDirectory(prefix="cluster-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def cluster(project_root: Path, folder: Path, project_environment: dict[str, str]) -> Iterator[Command]:
    """Give what does `make cluster-…` in an empty project; ports are given at the first `up`."""
    pytest.importorskip("psycopg")

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        environment = project_environment | {"PYTHONPATH": str(project_root)}
        return subprocess.run(
            [sys.executable, "-m", "deploy.cluster", *words],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    yield command
    command("down")


def environment_of(folder: Path) -> dict[str, str]:
    lines = (folder / ".cluster" / "env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def ports() -> list[str]:
    return [word for part in PARTS for word in (f"--{part}-port", str(free_port()))]


def test_parts_start_once_keep_their_data_and_stop(
    cluster: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg
    import s3fs

    up = cluster("up", "postgres", "s3", *ports())
    assert up.returncode == 0, up.stderr
    assert [line.split()[:2] for line in up.stdout.splitlines()[:2]] == [["postgres", "started"], ["s3", "started"]]
    env = folder / ".cluster" / "env"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    told = environment_of(folder)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    address = told["CU_PIPELINE_DATABASE_URL"].replace("+psycopg", "")
    secrets = [told["AWS_SECRET_ACCESS_KEY"], address.split(":")[2].split("@")[0]]
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE kept (number integer)")
    storage = s3fs.S3FileSystem(skip_instance_cache=True)
    storage.pipe("cu-pipeline/kept", b"1")
    strangers = s3fs.S3FileSystem(key="a", secret="b", skip_instance_cache=True)
    with pytest.raises(PermissionError):
        strangers.cat("cu-pipeline/kept")
    commands = "\n".join(" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"]))
    assert not [secret for secret in secrets if secret in commands + up.stdout]
    again = cluster("up", "postgres", "s3")
    assert [line.split()[1] for line in again.stdout.splitlines()[:2]] == ["runs", "runs"]
    assert cluster("status").returncode == 0
    assert cluster("down").stdout.count("stopped") == 2
    assert "no part was started" in cluster("status").stdout
    assert cluster("up", "postgres", "s3").returncode == 0
    assert environment_of(folder) == told
    with psycopg.connect(address) as connection:
        connection.execute("SELECT number FROM kept")
    assert storage.cat("cu-pipeline/kept") == b"1"


def test_a_taken_port_and_an_unknown_part_are_told_in_words(cluster: Command) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = cluster("up", "s3", "--s3-port", port)
    assert refused.returncode == 1
    assert f"port {port} of s3 is taken by another program. Remedy: " in refused.stderr
    assert "make cluster-up S3_PORT=" in refused.stderr
    assert "give some of postgres, s3, mlflow, ray" in cluster("up", "kafka").stderr


def test_a_part_that_was_killed_is_told_and_started_again(cluster: Command, folder: Path) -> None:
    assert cluster("up", "s3", *ports()).returncode == 0
    (process,) = [
        one
        for one in psutil.process_iter(["cmdline"])
        if str(folder / ".cluster" / "s3") in (one.info["cmdline"] or [])
    ]
    process.kill()
    process.wait()
    status = cluster("status")
    assert (status.returncode, "has ended: see .cluster/s3.log" in status.stdout) == (1, True)
    assert "started" in cluster("up", "s3").stdout


@pytest.mark.nightly
def test_all_parts_answer_on_the_loopback_address_alone(cluster: Command, folder: Path) -> None:
    up = cluster("up", *ports())
    assert up.returncode == 0, up.stderr
    assert up.stdout.count("started") == 6
    started = {int(path.read_text().split('"pid": ')[1].split(",")[0]) for path in (folder / ".cluster").glob("*.pid")}
    family = [
        child for pid in started for child in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))
    ]
    heard = [one for process in family for one in process.net_connections("inet") if one.status == "LISTEN"]
    assert {one.laddr.ip.removeprefix("::ffff:") for one in heard} == {"127.0.0.1"}
    told = os.environ | environment_of(folder)
    script = (
        "import mlflow, ray; ray.init(address='auto', log_to_driver=False); "
        "print(ray.cluster_resources()['CPU'], ray.get(ray.remote(lambda: 7).remote())); "
        "mlflow.set_experiment('x'); run = mlflow.start_run(); mlflow.log_text('kept', 'a.txt'); mlflow.end_run(); "
        "print(mlflow.artifacts.load_text(run.info.artifact_uri + '/a.txt'))"
    )
    done = subprocess.run([sys.executable, "-c", script], env=told, capture_output=True, text=True, check=False)
    assert "2.0 7\n" in done.stdout, done.stderr
    assert "kept\n" in done.stdout


def test_compose_names_the_same_parts_and_no_password(project_root: Path) -> None:
    compose = yaml.safe_load((project_root / "deploy" / "compose.yaml").read_text())
    services = compose["services"]
    assert {name.split("-")[0] for name in services} == set(PARTS)
    for name, service in services.items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} listens beyond this machine"
        for key, value in service.get("environment", {}).items():
            assert "${" in str(value) or not any(word in key for word in ("PASSWORD", "SECRET", "KEY", "TOKEN", "URI"))


@pytest.mark.skipif(os.getuid() != 0, reason="PostgreSQL takes another user only where root starts it")
def test_a_folder_that_postgresqls_user_cannot_get_to_is_told(cluster: Command, folder: Path) -> None:
    folder.chmod(0o700)
    refused = cluster("up", "postgres", *ports())
    assert refused.returncode == 1
    assert "cannot get to" in refused.stderr
    assert "Remedy: `chmod o+x`" in refused.stderr
