import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.service.security.api_keys import KeyScope, NewKey, create_key, find_key, read_keys, revoke_keys

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "models" / "service_keys.json"


def test_a_key_is_found_by_itself_alone(path: Path) -> None:
    tokens = [create_key(path, NewKey(name), NOW)[0] for name in ("ann", "bob")]
    keys = read_keys(path)
    assert [find_key(keys, token).name for token in tokens] == ["ann", "bob"]  # type: ignore[union-attr]
    for wrong in (
        "",
        tokens[0][:-1],
        tokens[0] + "A",
        tokens[0].upper(),
        "é" * 40,
        "\udcff",
        "A" * 10**6,
        keys[0].sha256,
    ):
        assert find_key(keys, wrong) is None


def test_the_file_and_what_is_printed_of_a_key_do_not_hold_it(path: Path) -> None:
    token, key = create_key(path, NewKey("ann"), NOW)
    assert token.startswith("cup_")
    assert len(token) == 47
    for text in (path.read_text(), repr(key), str(key), repr(read_keys(path))):
        assert token[4:] not in text
    assert key.sha256 not in repr(key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {one.name for one in path.parent.iterdir()} == {path.name, f".{path.name}.lock"}


def test_a_key_that_replaces_another_has_its_scopes_and_rate(path: Path) -> None:
    create_key(path, NewKey("ann", (KeyScope.METRICS, KeyScope.CLASSIFY), "5/s"), NOW)
    second = create_key(path, NewKey("ann", lifetime=timedelta(days=1)), NOW)[1]
    assert (second.scopes, second.rate) == ((KeyScope.CLASSIFY, KeyScope.METRICS), "5/s")
    assert second.valid_at(NOW)
    assert not second.valid_at(NOW + timedelta(days=1))
    assert revoke_keys(path, "ann", keep_newest=True)[0].rate == "5/s"
    assert [key.id for key in read_keys(path)] == [second.id]
    assert revoke_keys(path, "ann", keep_newest=True) == []
    assert [key.id for key in revoke_keys(path, "ann")] == [second.id]
    assert read_keys(path) == ()


def test_scopes_of_an_expired_key_are_not_inherited(path: Path) -> None:
    create_key(path, NewKey("ann", (KeyScope.ADMIN,), lifetime=timedelta(hours=1)), NOW)
    assert KeyScope.ADMIN not in create_key(path, NewKey("ann"), NOW + timedelta(hours=2))[1].scopes


def test_an_unknown_name_is_told_with_those_that_there_are(path: Path) -> None:
    create_key(path, NewKey("ann"), NOW)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="no key is named 'bob'; there are: ann"):
        revoke_keys(path, "bob")
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o644, 0o606, 0o660, 0o601])
def test_a_file_that_others_may_use_is_refused(path: Path, mode: int) -> None:
    create_key(path, NewKey("ann"), NOW)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=rf"mode {mode:04o}.*chmod 600"):
        read_keys(path)
    path.chmod(0o440)
    assert len(read_keys(path)) == 1


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"version": 2, "keys": []}', '{"keys": [{"name": "ann"}]}', '{"keys": [], "more": 1}', "\x00" * 9],
)
def test_a_damaged_file_is_told_and_neither_used_nor_overwritten(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content)
    path.chmod(0o600)
    for use in (read_keys, lambda path: create_key(path, NewKey("ann"), NOW)):
        with pytest.raises(ConfigurationError, match=r"are damaged: .*kedro keys create"):
            use(path)
    assert path.read_text() == content


def test_what_a_damaged_file_holds_is_not_told(path: Path) -> None:
    token, _ = create_key(path, NewKey("ann"), NOW)
    table = json.loads(path.read_text())
    table["keys"][0]["sha256"] = token
    path.write_text(json.dumps(table))
    with pytest.raises(ConfigurationError) as told:
        read_keys(path)
    assert token not in str(told.value)


_CREATE_FIVE = """
import sys
from pathlib import Path
from cu_pipeline.service.security.api_keys import NewKey, create_key, utc_now
for number in range(5):
    create_key(Path(sys.argv[1]), NewKey(f"{sys.argv[2]}-{number}"), utc_now())
"""


def test_processes_that_make_keys_at_a_time_lose_none(path: Path) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", _CREATE_FIVE, str(path), name], env=dict(os.environ)) for name in "abc"
    ]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert sorted(key.name for key in read_keys(path)) == sorted(
        f"{name}-{number}" for name in "abc" for number in range(5)
    )
