import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.service.security.api_keys import NewKey, create_key, revoke_keys
from cu_pipeline.service.security.keyring import LOOK_EVERY_S, Keyring

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_on(self) -> None:
        self.now += LOOK_EVERY_S


@pytest.fixture
def clock() -> Clock:
    return Clock()


def names(keyring: Keyring) -> list[str] | None:
    keys = keyring.keys()
    return None if keys is None else [key.name for key in keys]


def test_keys_follow_their_file(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "keys.json"
    keyring = Keyring(path, clock=clock)
    assert names(keyring) is None
    create_key(path, NewKey("ann"), NOW)
    clock.pass_on()
    assert names(keyring) == ["ann"]
    create_key(path, NewKey("bob"), NOW)
    revoke_keys(path, "ann")
    clock.pass_on()
    assert names(keyring) == ["bob"]
    revoke_keys(path, "bob")
    clock.pass_on()
    assert names(keyring) == []
    assert LOOK_EVERY_S <= 1


@pytest.mark.parametrize("harm", ["damage", "open to others", "remove"])
def test_former_keys_stay_valid_when_the_file_cannot_be_used(
    tmp_path: Path, clock: Clock, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys.json"
    token, _ = create_key(path, NewKey("ann"), NOW)
    kept = path.read_bytes()
    keyring = Keyring(path, clock=clock)
    if harm == "damage":
        path.write_text("{")
    elif harm == "remove":
        path.unlink()
    else:
        path.chmod(0o644)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            clock.pass_on()
            assert names(keyring) == ["ann"]
    assert len(caplog.records) == 1  # told once
    assert str(path) in caplog.text
    assert token not in caplog.text
    path.unlink(missing_ok=True)
    path.write_bytes(kept)
    path.chmod(0o600)
    create_key(path, NewKey("bob"), NOW)
    clock.pass_on()
    assert names(keyring) == ["ann", "bob"]


@pytest.mark.parametrize("harm", ["damage", "remove"])
def test_a_worker_that_starts_meanwhile_has_the_former_keys(tmp_path: Path, clock: Clock, harm: str) -> None:
    path, former = tmp_path / "keys.json", tmp_path / "run" / "keys.json"
    create_key(path, NewKey("ann"), NOW)
    first = Keyring(path, former, clock)
    create_key(path, NewKey("bob"), NOW)
    clock.pass_on()
    assert names(first) == ["ann", "bob"]
    path.unlink()
    if harm == "damage":
        path.write_text("{")
        path.chmod(0o600)
    second = Keyring(path, former, clock)
    assert names(second) == ["ann", "bob"]
    path.unlink(missing_ok=True)
    create_key(path, NewKey("cid"), NOW)
    clock.pass_on()
    assert names(first) == names(second) == ["cid"]
    assert former.stat().st_mode & 0o777 == 0o600


def test_a_service_does_not_start_with_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text("{")
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="damaged"):
        Keyring(path)
