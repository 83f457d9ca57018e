"""Sending an alert on all ways that are set up, each once."""

import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.paths import from_stored
from cu_pipeline.iterate.alerts.alert import Alert
from cu_pipeline.iterate.alerts.ledger import AlertLedger, Sent, State, ledger_key
from cu_pipeline.iterate.alerts.mail import mail
from cu_pipeline.iterate.alerts.options import AlertOptions, EmailOptions, WebhookOptions
from cu_pipeline.iterate.alerts.rendering import Words, render
from cu_pipeline.iterate.alerts.retries import Outcome, attempt
from cu_pipeline.iterate.alerts.webhook import post

Channel = WebhookOptions | EmailOptions

_log = logging.getLogger(__name__)


def send(alert: Alert, options: AlertOptions) -> list[Sent]:
    """Send an alert on each way that it has not gone yet.

    What fails is no error of the caller's: it is told in the log and in the result, and tried again the next time.

    Args:
        alert: the alert; one with the id of one that was sent is not sent again.
        options: where alerts go.

    Returns:
        What became of it on each way; none where the event is not to be told or no way is set up.
    """
    if options.events and alert.event not in options.events:
        return []
    ledger = AlertLedger(from_stored(options.ledger))
    return [_send(alert, channel, options, ledger) for channel in _channels(options)]


def send_again(options: AlertOptions) -> list[Sent]:
    """Send the alerts that failed before, on the ways that they failed on."""
    ledger = AlertLedger(from_stored(options.ledger))
    failed = [one for one in ledger.read().values() if one.state is State.FAILED]
    channels = {channel.name: channel for channel in _channels(options)}
    return [_send(one.alert, channels[one.channel], options, ledger) for one in failed if one.channel in channels]


def problems(options: AlertOptions) -> list[str]:
    """Say what would keep alerts from being sent, such as a variable that is not set."""
    found = []
    for webhook in options.webhooks:
        found += [(webhook.name, name) for name in (webhook.url_env, webhook.secret_env)]
    for one in options.emails:
        found += [(one.name, name) for name in (one.user_env, one.password_env)]
    return [
        f"alerts by {channel!r}: the environment variable {name} is not set"
        for channel, name in found
        if name and not os.environ.get(name, "").strip()
    ]


def _channels(options: AlertOptions) -> list[Channel]:
    return [*options.webhooks, *options.emails]


def _send(alert: Alert, channel: Channel, options: AlertOptions, ledger: AlertLedger) -> Sent:
    before = ledger.read().get(ledger_key(alert.id, channel.name))
    if before is not None and before.state is State.SENT:
        return before.model_copy(update={"state": State.ALREADY, "attempts": 0})
    outcome = _deliver(alert, channel, options)
    state = State.FAILED if outcome.error else State.SENT
    sent = Sent(
        alert=alert,
        channel=channel.name,
        state=state,
        attempts=outcome.attempts,
        error=outcome.error,
        time=datetime.now(UTC),
    )
    ledger.append([sent])
    if state is State.FAILED:
        _log.warning("alert %s was not sent by %s: %s", alert.id, channel.name, outcome.error)
    return sent


def _deliver(alert: Alert, channel: Channel, options: AlertOptions) -> Outcome:
    try:
        words = render(alert, options.templates)
    except ConfigurationError as error:
        return Outcome(0, str(error))
    return attempt(_attempt(alert, words, channel), channel.attempts, channel.backoff_s)


def _attempt(alert: Alert, words: Words, channel: Channel) -> Callable[[], None]:
    if isinstance(channel, WebhookOptions):
        return lambda: post(alert, words, channel)
    return lambda: mail(alert, words, channel)
