"""`kedro keys`: makes, lists and revokes the API keys of the service."""

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cu_pipeline.cli.foreseen import told_in_words

if TYPE_CHECKING:
    from datetime import datetime

    from cu_pipeline.service.security.api_keys import ApiKey, KeyScope

_LIFETIME: Final = re.compile(r"([1-9][0-9]{0,4})([hd])")


@click.group("keys")
def keys() -> None:
    """Make, list and revoke the API keys of the service.

    Once there is a file of keys, the service answers nobody without one. A running service follows within 2 seconds.
    """


@keys.command("create")
@click.argument("name")
@click.option("--scopes", help="What it allows, split by commas: classify, feedback, metrics, admin.")
@click.option(
    "--rate", help="Requests that keys of this name may make, such as 10/s or 600/m; by default the service's."
)
@click.option("--expires", help="Lifetime, such as 90d or 12h; by default it has no end.")
@click.pass_obj
def create(metadata: Any, /, *, name: str, scopes: str | None, rate: str | None, expires: str | None) -> None:
    """Make a key called NAME, and show it once: it is kept nowhere.

    A second key of a name replaces the first without a gap: give it out, then run `kedro keys revoke NAME --former`. It
    has the scopes and the rate of the first unless others are given; a first one allows classify and feedback.
    """
    root = Path(metadata.project_path)
    with told_in_words(root):
        from cu_pipeline.service.security.api_keys import NewKey, create_key, utc_now
        from cu_pipeline.service.security.settings import keys_path

        path = keys_path(root=root)
        new = NewKey(_named(name), _scopes(scopes), _rate(rate), _lifetime(expires))
        first = not path.exists()
        token, key = create_key(path, new, utc_now())
        click.echo(token)
        click.echo(
            f"{_told(key, utc_now())}\nKeep it now: it is not shown again, and {path} has only its hash.", err=True
        )
        if first:
            click.echo("From now on the service answers nobody without a key.", err=True)


@keys.command("list")
@click.pass_obj
def list_keys(metadata: Any, /) -> None:
    """List the keys: name, id, scopes, rate, when they were made and when they end."""
    root = Path(metadata.project_path)
    with told_in_words(root):
        from cu_pipeline.service.security.api_keys import read_keys, utc_now
        from cu_pipeline.service.security.settings import keys_path

        path = keys_path(root=root)
        try:
            known = read_keys(path)
        except FileNotFoundError:
            click.echo("no keys: the service answers this machine only. `kedro keys create NAME` makes one")
            return
        now = utc_now()
        click.echo("\n".join(_told(key, now) for key in known) or "no key is left: the service answers nobody")


@keys.command("revoke")
@click.argument("name")
@click.option("--former", is_flag=True, help="Keep the newest key of that name.")
@click.pass_obj
def revoke(metadata: Any, /, *, name: str, former: bool) -> None:
    """Take back all keys called NAME."""
    root = Path(metadata.project_path)
    with told_in_words(root):
        from cu_pipeline.service.security.api_keys import revoke_keys
        from cu_pipeline.service.security.settings import keys_path

        gone = revoke_keys(keys_path(root=root), name, keep_newest=former)
        ids = ", ".join(key.id for key in gone)
        click.echo(f"revoked {ids}" if gone else f"{name} has one key, the newest: nothing to revoke")


def _told(key: "ApiKey", now: "datetime") -> str:
    until = (
        "no end" if key.expires is None else f"{'until' if key.valid_at(now) else 'expired'} {key.expires:%F %H:%M} UTC"
    )
    rate = key.rate or "the service's rate"
    return f"{key.name}  {key.id}  {','.join(key.scopes)}  {rate}  made {key.created:%F %H:%M} UTC  {until}"


def _named(name: str) -> str:
    from cu_pipeline.service.security.api_keys import NAME

    if not re.fullmatch(NAME, name):
        raise click.ClickException(
            f"{name!r} cannot name a key: give 1 to 64 of A-Z a-z 0-9 . _ - that begin with a letter or digit"
        )
    return name


def _scopes(written: str | None) -> "tuple[KeyScope, ...] | None":
    from cu_pipeline.service.security.api_keys import KeyScope

    if written is None:
        return None
    given = [one.strip() for one in written.split(",")]
    if unknown := [one for one in given if one not in set(KeyScope)]:
        told = ", ".join(map(repr, unknown))
        raise click.ClickException(f"--scopes: {told} is no scope; allowed are: {', '.join(KeyScope)}, split by commas")
    return tuple(map(KeyScope, given))


def _rate(written: str | None) -> str | None:
    from cu_pipeline.core.errors import ConfigurationError
    from cu_pipeline.service.security.rates import Rate

    if written is not None:
        try:
            Rate.parse(written)
        except ConfigurationError as error:
            raise click.ClickException(f"--rate: {error}") from error
    return written


def _lifetime(written: str | None) -> timedelta | None:
    if written is None:
        return None
    if not (found := _LIFETIME.fullmatch(written)):
        raise click.ClickException(f"--expires: {written!r} is no lifetime: give days or hours, such as 90d or 12h")
    count = int(found[1])
    return timedelta(days=count) if found[2] == "d" else timedelta(hours=count)
