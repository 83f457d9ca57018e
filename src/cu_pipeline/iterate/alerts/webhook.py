"""Alerts as JSON, posted to an address, signed where a key is given.

The signature is that of Stripe's and GitHub's webhooks: HMAC-SHA256 over `TIME.BODY`, in `X-Cu-Pipeline-Signature` as
`t=TIME,v1=HEX`. Who checks the time refuses what somebody has recorded and sends again.
"""

import hashlib
import hmac
import json
import os
import time
from email.message import Message
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from cu_pipeline.iterate.alerts.alert import Alert
from cu_pipeline.iterate.alerts.options import WebhookOptions
from cu_pipeline.iterate.alerts.rendering import Words
from cu_pipeline.iterate.alerts.retries import NotDeliveredError

SIGNATURE: Final = "X-Cu-Pipeline-Signature"
ALERT_ID: Final = "X-Cu-Pipeline-Alert"
"""The alert's id, by which a receiver knows one that comes again after a crash."""

_AGAIN: Final = frozenset({408, 425, 429})


def post(alert: Alert, words: Words, options: WebhookOptions) -> None:
    """Post an alert, once.

    Raises:
        NotDeliveredError: it did not arrive.
    """
    url = options.url or secret(options.url_env)
    if not url.startswith(("http://", "https://")):
        raise NotDeliveredError(f"{options.url_env} holds no address that begins with https:// or http://", again=False)
    body = payload(alert, words)
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "cu-pipeline", ALERT_ID: _header(alert)}
    if options.secret_env:
        headers[SIGNATURE] = signature(secret(options.secret_env), body, int(time.time()))
    request = Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - http or https, as checked
    try:
        with build_opener(_NoRedirect).open(request, timeout=options.timeout_s) as answer:
            answer.read(1024)
    except HTTPError as error:
        with error:
            raise _refused(error.code, error.headers) from None
    except (URLError, OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise NotDeliveredError(f"no answer: {type(reason).__name__}: {reason}", again=True) from None


def payload(alert: Alert, words: Words) -> bytes:
    """The body: the alert's fields, and `text` as Slack and what resembles it show it."""
    text = f"*{_slack(words.subject)}*\n{_slack(words.text)}"
    content: dict[str, Any] = {"text": text, "alert": alert.model_dump(mode="json")}
    return json.dumps(content, ensure_ascii=False).encode()


def signature(key: str, body: bytes, now: int) -> str:
    """Sign a body.

    >>> signature("key", b"{}", 1767225600)
    't=1767225600,v1=df344de429b8ee672e1863e0008fdbd0080000536fbccdf0e4f89846acbbe872'
    """
    digest = hmac.new(key.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={now},v1={digest}"


def secret(variable: str) -> str:
    """What an environment variable holds.

    Raises:
        NotDeliveredError: it is not set.
    """
    if value := os.environ.get(variable, "").strip():
        return value
    raise NotDeliveredError(f"the environment variable {variable} is not set", again=False)


class _NoRedirect(HTTPRedirectHandler):
    """Takes a redirection for a refusal: whoever it leads to was not meant to get the alert."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _refused(code: int, headers: "Message[str, str]") -> NotDeliveredError:
    asked = headers.get("Retry-After", "")
    after = float(asked) if asked.isdigit() else None
    return NotDeliveredError(f"the address answered {code}", again=code in _AGAIN or code >= 500, after_s=after)


def _slack(text: str) -> str:
    """Escape what Slack takes for its own marks: a caption such as <!channel> would call everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _header(alert: Alert) -> str:
    return "".join(letter if 32 < ord(letter) < 127 else "_" for letter in alert.id)
