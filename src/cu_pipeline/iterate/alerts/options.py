"""Where alerts go, and how long sending may take."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from cu_pipeline.core.options import Options


class _Channel(Options):
    """One way that alerts go.

    Attributes:
        name: in the ledger and in the log.
        timeout_s: seconds that one attempt waits for the other side.
        attempts: at most, each time an alert is sent.
        backoff_s: seconds before the second attempt; twice as long before each further one.
    """

    name: str = Field(min_length=1)
    timeout_s: float = Field(default=10.0, gt=0, le=300)
    attempts: int = Field(default=4, ge=1, le=10)
    backoff_s: float = Field(default=1.0, ge=0, le=60)


class WebhookOptions(_Channel):
    """An address that alerts are posted to, as JSON.

    Attributes:
        url: the address.
        url_env: environment variable that holds it, where it is a secret, as Slack's are.
        secret_env: environment variable that holds the key of the signature; "": no signature.
    """

    name: str = "webhook"
    url: str = ""
    url_env: str = ""
    secret_env: str = ""

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("a webhook's url begins with https:// or http://")
        return url

    @model_validator(mode="after")
    def _has_one_address(self) -> Self:
        if bool(self.url) == bool(self.url_env):
            raise ValueError(f"webhook {self.name!r} needs either url or url_env, the name of a variable that holds it")
        return self


class EmailOptions(_Channel):
    """A mail server and who gets alerts by it.

    Attributes:
        host: of the server.
        port: of it.
        security: `starttls`, `ssl` (TLS from the start, mostly port 465), or `none`, which allows no login.
        ca_file: certificates to trust in place of the system's; "": the system's.
        user_env: environment variable that holds the user; "": no login.
        password_env: environment variable that holds the password.
        sender: address that alerts come from.
        to: addresses that they go to.
    """

    name: str = "email"
    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "ssl", "none"] = "starttls"
    ca_file: str = ""
    user_env: str = ""
    password_env: str = ""
    sender: str = Field(min_length=3)
    to: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _keeps_passwords_secret(self) -> Self:
        if bool(self.user_env) != bool(self.password_env):
            raise ValueError(f"email {self.name!r}: user_env and password_env go together")
        if self.user_env and self.security == "none":
            raise ValueError(f"email {self.name!r}: a login needs security: starttls or ssl")
        return self


class AlertOptions(Options):
    """Who is told of what.

    Attributes:
        webhooks: addresses that alerts are posted to.
        emails: mail servers and recipients.
        events: kinds of events that are told; none: all.
        templates: folder whose `subject.txt.j2`, `text.txt.j2` and `mail.html.j2` replace those of the package.
        ledger: file that tells which alerts were sent.
    """

    webhooks: tuple[WebhookOptions, ...] = ()
    emails: tuple[EmailOptions, ...] = ()
    events: tuple[str, ...] = ()
    templates: str = "conf/base/alerts"
    ledger: str = "data/08_reporting/alerts.jsonl"

    @model_validator(mode="after")
    def _names_are_different(self) -> Self:
        names = [channel.name for channel in (*self.webhooks, *self.emails)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"alerts: several channels are called {', '.join(twice)}; give each a name of its own")
        return self
