import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from cu_pipeline.cli.keys import keys
from cu_pipeline.service.security.api_keys import find_key, read_keys

FILE = "data/06_models/service_keys.json"


@pytest.fixture(autouse=True)
def default_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CU_PIPELINE_KEYS", raising=False)


def typed(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(keys, arguments, obj=SimpleNamespace(project_path=str(root)))


def test_a_key_is_made_shown_once_listed_and_revoked(tmp_path: Path) -> None:
    assert "this machine only" in typed(tmp_path, "list").stdout
    made = typed(tmp_path, "create", "ann", "--scopes", "metrics,classify", "--rate", "10/s", "--expires", "90d")
    assert made.exit_code == 0, made.output
    token = made.stdout.strip()
    assert "not shown again" in made.stderr
    assert "answers nobody without a key" in made.stderr
    key = find_key(read_keys(tmp_path / FILE), token)
    assert key is not None
    assert key.expires is not None
    assert (key.expires - key.created).days == 90
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    listed = typed(tmp_path, "list")
    assert f"ann  {key.id}  classify,metrics  10/s" in listed.stdout
    assert token not in listed.output
    assert typed(tmp_path, "revoke", "ann").stdout == f"revoked {key.id}\n"
    assert "answers nobody" in typed(tmp_path, "list").stdout


def test_a_second_key_replaces_the_first_without_a_gap(tmp_path: Path) -> None:
    first, second = (typed(tmp_path, "create", "ann").stdout.strip() for _ in range(2))
    known = read_keys(tmp_path / FILE)
    assert find_key(known, first) is not None
    assert find_key(known, second) is not None
    assert typed(tmp_path, "revoke", "ann", "--former").exit_code == 0
    known = read_keys(tmp_path / FILE)
    assert find_key(known, first) is None
    assert find_key(known, second) is not None
    assert "nothing to revoke" in typed(tmp_path, "revoke", "ann", "--former").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("create", "two words"), "'two words' cannot name a key"),
        (("create", "a" * 65), "1 to 64 of"),
        (
            ("create", "ann", "--scopes", "classify,all"),
            "'all' is no scope; allowed are: classify, feedback, metrics, admin",
        ),
        (("create", "ann", "--scopes", ""), "'' is no scope"),
        (("create", "ann", "--rate", "fast"), "--rate: 'fast' is no rate"),
        (("create", "ann", "--expires", "2w"), "--expires: '2w' is no lifetime: give days or hours"),
        (("revoke", "bob"), "no key is named 'bob'; there are: none"),
    ],
)
def test_bad_input_is_told_in_words_and_changes_nothing(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    done = typed(tmp_path, *arguments)
    assert done.exit_code == 1
    assert told in done.stderr
    assert not (tmp_path / FILE).exists()


def test_the_variable_names_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CU_PIPELINE_KEYS", str(tmp_path / "secret" / "keys.json"))
    token = typed(tmp_path, "create", "ann").stdout.strip()
    assert find_key(read_keys(tmp_path / "secret" / "keys.json"), token) is not None
    (tmp_path / "secret" / "keys.json").write_text("{")
    for command in (("list",), ("create", "bob"), ("revoke", "ann")):
        done = typed(tmp_path, *command)
        assert done.exit_code == 1
        assert "are damaged" in done.stderr
