import getpass
import socket

from cu_pipeline.core.actor import actor


def test_a_user_is_named_with_the_machine_and_ci_in_the_users_place(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    assert actor() == f"{getpass.getuser()}@{socket.gethostname()}"
    monkeypatch.setenv("CI", "true")
    assert actor() == f"CI@{socket.gethostname()}"
    monkeypatch.setenv("CU_PIPELINE_ACTOR", "nightly job 7")
    assert actor() == "nightly job 7"
