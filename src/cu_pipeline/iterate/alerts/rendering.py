"""An alert in words, by templates that a user may replace."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.paths import from_stored
from cu_pipeline.iterate.alerts.alert import Alert

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Words:
    """An alert in words.

    Attributes:
        subject: one line.
        text: plain.
        html: the same for mail programs.
    """

    subject: str
    text: str
    html: str


def render(alert: Alert, folder: str) -> Words:
    """Put an alert into words.

    Args:
        alert: the alert.
        folder: whose templates replace those of the package, if it has any.

    Raises:
        ConfigurationError: a template cannot be rendered.
    """
    from jinja2 import TemplateError

    found = _environment(folder)
    names = ("subject.txt.j2", "text.txt.j2", "mail.html.j2")
    texts = []
    for name in names:
        try:
            texts.append(found.get_template(name).render(alert=alert).strip())
        except TemplateError as error:
            raise ConfigurationError(
                f"the alerts' template {name} cannot be rendered: {error}. Remedy: mend it in {folder}, or remove it "
                "there: the package has one of its own"
            ) from error
    return Words(" ".join(texts[0].split()), texts[1], texts[2])


def _environment(folder: str) -> "Environment":
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined, select_autoescape

    loader = ChoiceLoader([FileSystemLoader(from_stored(folder)), PackageLoader("cu_pipeline.iterate.alerts")])
    return Environment(
        loader=loader,
        autoescape=select_autoescape(["html.j2"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
