import hashlib
import hmac
import json
import logging
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.drift_files import cause_told, drift_told, one_test
from tests.servers.smtp import MailServer, running
from tests.servers.webhook import Receiver, receiving

from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.iterate.alerts import (
    Alert,
    AlertOptions,
    EmailOptions,
    Severity,
    State,
    WebhookOptions,
    drift_alert,
    problems,
    send,
    send_again,
)
from cu_pipeline.iterate.alerts.retries import NotDeliveredError, attempt
from cu_pipeline.reports.drift_told import read_drift

ALERT = Alert(
    id="look1/drift",
    event="drift",
    severity=Severity.BAD,
    title="Drift: 宠物 <!channel> & more\nin two lines",
    lines=("a new topic: <b>pets</b>",),
    facts={"clips": "1,000"},
    link="data/08_reporting/drift.html",
    time=datetime(2026, 3, 4, 12, tzinfo=UTC),
)


@pytest.fixture(autouse=True)
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (openssl := shutil.which("openssl")):
        pytest.skip("openssl makes the certificate")
    folder = tmp_path_factory.mktemp("tls")
    both, key = folder / "both.pem", folder / "key.pem"
    options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        [openssl, "req", *options, *names, "-keyout", str(key), "-out", str(both)], check=True, capture_output=True
    )
    both.write_bytes(both.read_bytes() + key.read_bytes())
    return both


def by_webhook(url: str, **other: object) -> AlertOptions:
    return AlertOptions(webhooks=(WebhookOptions(url=url, backoff_s=0, **other),))


def by_mail(server: MailServer, **other: object) -> AlertOptions:
    whole = {"host": "localhost", "port": server.port, "sender": "cu@example.org", "to": ("a@example.org",)} | other
    return AlertOptions(emails=(EmailOptions(backoff_s=0, **whole),))


def test_a_webhook_gets_a_signed_alert_that_slack_shows_as_text(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_KEY", "very secret")
    (sent,) = send(ALERT, by_webhook(receiver.url, secret_env="HOOK_KEY"))
    assert (sent.state, sent.attempts, sent.error) == (State.SENT, 1, "")
    (body,), (headers,) = receiver.bodies, receiver.headers
    told = json.loads(body)
    assert told["text"].startswith("*[cu-pipeline] Drift: 宠物 &lt;!channel&gt; &amp; more in two lines*\n")
    assert Alert.model_validate(told["alert"]) == ALERT
    moment, digest = (part.partition("=")[2] for part in headers["X-Cu-Pipeline-Signature"].split(","))
    assert digest == hmac.new(b"very secret", f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["X-Cu-Pipeline-Alert"] == "look1/drift"


@pytest.mark.parametrize(
    ("answers", "attempts", "state"),
    [
        ([500, 429, 200], 3, State.SENT),
        ([503] * 4, 4, State.FAILED),
        ([404], 1, State.FAILED),
        ([302], 1, State.FAILED),
    ],
)
def test_what_may_pass_is_tried_again_and_what_cannot_is_not(
    receiver: Receiver, answers: list[int], attempts: int, state: State
) -> None:
    receiver.answers = list(answers)
    (sent,) = send(ALERT, by_webhook(receiver.url))
    assert (sent.state, sent.attempts, len(receiver.bodies)) == (state, attempts, attempts)


def test_a_receiver_that_does_not_answer_is_left_in_time(receiver: Receiver) -> None:
    receiver.answers = [0, 200]
    (sent,) = send(ALERT, by_webhook(receiver.url, timeout_s=0.1))
    assert (sent.state, sent.attempts) == (State.SENT, 2)


def test_an_alert_goes_once_and_a_failed_one_again_after_a_restart(receiver: Receiver) -> None:
    options = by_webhook(receiver.url, attempts=1)
    receiver.answers = [500]
    assert [one.state for one in send(ALERT, options)] == [State.FAILED]
    assert [one.state for one in send_again(options)] == [State.SENT]
    assert [one.state for one in send(ALERT, options)] == [State.ALREADY]
    assert send_again(options) == []
    assert [one.state for one in send(ALERT.model_copy(update={"id": "look2/drift"}), options)] == [State.SENT]
    assert len(receiver.bodies) == 3


def test_no_secret_is_told_or_kept(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HOOK", receiver.url)
    monkeypatch.setenv("HOOK_KEY", "very secret")
    receiver.answers = [403]
    options = AlertOptions(webhooks=(WebhookOptions(url_env="HOOK", secret_env="HOOK_KEY", backoff_s=0),))
    with caplog.at_level(logging.DEBUG):
        (sent,) = send(ALERT, options)
    assert sent.error == "the address answered 403"
    kept = caplog.text + (tmp_path / options.ledger).read_text()
    assert "look1/drift" in kept
    assert not [word for word in ("very secret", "of-secret-address") if word in kept]


def test_nothing_listens_or_a_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK", raising=False)
    options = AlertOptions(
        webhooks=(
            WebhookOptions(name="dead", url="http://127.0.0.1:9/", backoff_s=0, attempts=2),
            WebhookOptions(name="unset", url_env="HOOK"),
        )
    )
    assert problems(options) == ["alerts by 'unset': the environment variable HOOK is not set"]
    dead, unset = send(ALERT, options)
    assert (dead.state, dead.attempts) == (State.FAILED, 2)
    assert (unset.attempts, unset.error) == (1, "the environment variable HOOK is not set")


@pytest.mark.parametrize("tls", ["starttls", "ssl"])
def test_a_mail_goes_over_tls_with_a_login(tls: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_USER", "cu")
    monkeypatch.setenv("MAIL_PASSWORD", "very secret")
    with running(MailServer(tls, certificate, login=("cu", "very secret"))) as server:
        options = by_mail(
            server,
            security=tls,
            ca_file=str(certificate),
            user_env="MAIL_USER",
            password_env="MAIL_PASSWORD",
            to=("a@example.org", "b@example.org"),
        )
        (sent,) = send(ALERT, options)
    assert (sent.state, sent.error) == (State.SENT, "")
    assert (server.secure, server.logged_in) == (True, True)
    (mail,) = server.mails
    assert mail["Subject"] == "[cu-pipeline] Drift: 宠物 <!channel> & more in two lines"
    assert len(server.recipients) == 2
    plain, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "a new topic: <b>pets</b>" in plain
    assert "a new topic: &lt;b&gt;pets&lt;/b&gt;" in html


def test_a_server_that_is_not_trusted_gets_no_password(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_USER", "cu")
    monkeypatch.setenv("MAIL_PASSWORD", "very secret")
    with running(MailServer("starttls", certificate, login=("cu", "very secret"))) as server:
        (sent,) = send(ALERT, by_mail(server, user_env="MAIL_USER", password_env="MAIL_PASSWORD"))
    assert (sent.state, sent.attempts, server.logged_in) == (State.FAILED, 1, False)
    assert "no safe connection to localhost" in sent.error


def test_a_mail_that_is_refused_for_now_is_tried_again_and_a_wrong_password_is_not(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_USER", "cu")
    monkeypatch.setenv("MAIL_PASSWORD", "wrong")
    with running(MailServer(refusals=["451 later"])) as server:
        (sent,) = send(ALERT, by_mail(server, security="none"))
    assert (sent.state, sent.attempts) == (State.SENT, 2)
    with running(MailServer("ssl", certificate, login=("cu", "right"))) as server:
        login = {"user_env": "MAIL_USER", "password_env": "MAIL_PASSWORD", "name": "other"}
        (sent,) = send(ALERT, by_mail(server, security="ssl", ca_file=str(certificate), **login))
    assert (sent.attempts, sent.error) == (1, "the mail server refused the login (535)")


def test_a_users_templates_take_the_place_of_the_packages(receiver: Receiver, tmp_path: Path) -> None:
    folder = tmp_path / "conf/base/alerts"
    folder.mkdir(parents=True)
    (folder / "subject.txt.j2").write_text("Achtung: {{ alert.facts.clips }} Clips")
    send(ALERT, by_webhook(receiver.url))
    assert json.loads(receiver.bodies[0])["text"].startswith("*Achtung: 1,000 Clips*\n- a new topic")
    (folder / "subject.txt.j2").write_text("{{ alert.nothing_of_the_kind }}")
    (sent,) = send(ALERT.model_copy(update={"id": "other"}), by_webhook(receiver.url))
    assert sent.state is State.FAILED
    assert "subject.txt.j2 cannot be rendered" in sent.error


def test_only_the_events_that_are_asked_for_are_told(receiver: Receiver) -> None:
    options = by_webhook(receiver.url).model_copy(update={"events": ("promoted",)})
    assert send(ALERT, options) == []
    assert receiver.bodies == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"webhooks": [{"url": "ftp://a"}]}, "begins with https"),
        ({"webhooks": [{}]}, "either url or url_env"),
        ({"webhooks": [{"url": "https://a"}, {"url": "https://b"}]}, "several channels are called webhook"),
        (
            {"emails": [{"host": "h", "sender": "a@b", "to": ["c@d"], "user_env": "U", "password_env": "P"}
            | {"security": "none"}]},
            "a login needs security",
        ),
    ],
)  # fmt: skip
def test_options_that_cannot_work_are_refused_in_words(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        AlertOptions.model_validate(wrong)


def test_pauses_grow_and_what_a_server_asks_for_is_bounded() -> None:
    pauses: list[float] = []

    def failing() -> None:
        raise NotDeliveredError("busy", again=True, after_s=9999.0 if len(pauses) == 2 else None)

    assert attempt(failing, 4, 1.5, pauses.append).attempts == 4
    assert pauses == [1.5, 3.0, 60.0]


def test_drift_is_told_with_its_causes_and_no_drift_is_not() -> None:
    tests = [one_test(f"fact_{name}", drifted=True) for name in "abcdefg"]
    told = read_drift(drift_told(tests=tests, causes=[cause_told()], notices=["the service does not serve them"]))
    alert = drift_alert(told, "drift.html")
    assert alert is not None
    assert (alert.id, alert.severity, alert.title) == ("look1/drift", "bad", f"Drift: {told.causes[0].in_words}")
    assert alert.lines[:2] == ("the service does not serve them", told.causes[0].in_words)
    assert alert.lines[-1] == "and 2 more tests"
    assert alert.facts["estimated quality of topic"] == "71%, not to be trusted"
    assert drift_alert(read_drift(drift_told("no_drift"))) is None
    notice = drift_alert(read_drift(drift_told("not_enough_data", notices=["traffic was left out"])))
    assert notice is not None
    assert (notice.event, notice.title) == ("notice", "Monitoring: traffic was left out")
    assert notice.id == "2026-03-04/notice", "the looks of a day tell it once"
