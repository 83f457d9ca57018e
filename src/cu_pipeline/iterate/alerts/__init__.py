"""Alerts: what people are told of drift and iterations, by webhook and e-mail, once each."""

from cu_pipeline.iterate.alerts.alert import Alert, Severity, drift_alert
from cu_pipeline.iterate.alerts.ledger import Sent, State
from cu_pipeline.iterate.alerts.options import AlertOptions, EmailOptions, WebhookOptions
from cu_pipeline.iterate.alerts.sending import problems, send, send_again

__all__ = [
    "Alert",
    "AlertOptions",
    "EmailOptions",
    "Sent",
    "Severity",
    "State",
    "WebhookOptions",
    "drift_alert",
    "problems",
    "send",
    "send_again",
]
