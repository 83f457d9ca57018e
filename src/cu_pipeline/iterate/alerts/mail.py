"""Alerts by e-mail: plain text with the same in HTML beside it."""

import hashlib
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime

from cu_pipeline.core.paths import from_stored
from cu_pipeline.iterate.alerts.alert import Alert
from cu_pipeline.iterate.alerts.options import EmailOptions
from cu_pipeline.iterate.alerts.rendering import Words
from cu_pipeline.iterate.alerts.retries import NotDeliveredError
from cu_pipeline.iterate.alerts.webhook import secret


def mail(alert: Alert, words: Words, options: EmailOptions) -> None:
    """Send an alert, once.

    Raises:
        NotDeliveredError: the server did not take it for any recipient.
    """
    try:
        with _connected(options) as server:
            if options.user_env:
                server.login(secret(options.user_env), secret(options.password_env))
            server.send_message(message(alert, words, options))
    except smtplib.SMTPAuthenticationError as error:
        raise NotDeliveredError(f"the mail server refused the login ({error.smtp_code})", again=False) from None
    except smtplib.SMTPNotSupportedError as error:
        raise NotDeliveredError(str(error), again=False) from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        told = ", ".join(map(str, codes))
        raise NotDeliveredError(f"the mail server refused all recipients ({told})", again=codes[0] < 500) from None
    except smtplib.SMTPResponseException as error:
        raise NotDeliveredError(f"the mail server answered {error.smtp_code}", again=error.smtp_code < 500) from None
    except ssl.SSLError as error:
        raise NotDeliveredError(f"no safe connection to {options.host}: {error.reason}", again=False) from None
    except (OSError, smtplib.SMTPException) as error:
        raise NotDeliveredError(f"no answer of {options.host}: {type(error).__name__}: {error}", again=True) from None


def message(alert: Alert, words: Words, options: EmailOptions) -> EmailMessage:
    """The mail; the same alert has the same Message-ID, so that one that comes twice is shown once."""
    made = EmailMessage()
    made["Subject"] = words.subject
    made["From"] = options.sender
    made["To"] = ", ".join(options.to)
    made["Date"] = format_datetime(alert.time)
    made["Message-ID"] = f"<{hashlib.sha256(alert.id.encode()).hexdigest()[:32]}@cu-pipeline>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(words.text)
    made.add_alternative(words.html, subtype="html")
    return made


def _connected(options: EmailOptions) -> smtplib.SMTP:
    place = options.host, options.port
    if options.security == "ssl":
        return smtplib.SMTP_SSL(*place, timeout=options.timeout_s, context=_context(options))
    server = smtplib.SMTP(*place, timeout=options.timeout_s)
    if options.security == "starttls":
        try:
            server.starttls(context=_context(options))
        except BaseException:
            server.close()
            raise
    return server


def _context(options: EmailOptions) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(from_stored(options.ca_file)) if options.ca_file else None)
