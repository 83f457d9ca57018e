from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from cu_pipeline.core.dollars import dollars
from cu_pipeline.labeling.sources.source import source_title

if TYPE_CHECKING:
    from jinja2 import Environment


_SIZES: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@cache
def environment() -> "Environment":
    """The templates of this package. Everything that they print is escaped: captions are foreign text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader("cu_pipeline.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"number": number, "percent": percent, "p": p_text, "money": dollars, "sentence": sentence}
    found.filters["points"] = points
    found.filters |= {"source": source_title, "moment": moment, "short": short}
    found.globals["stylesheet"] = files("cu_pipeline.reports").joinpath("templates/style.css").read_text("utf-8")
    return found


def number(value: float | None, digits: int = 3) -> str:
    """Show a number with fixed digits; a dash where there is none.

    >>> number(0.12345), number(None), number(1200.0, 0)
    ('0.123', '–', '1,200')
    """
    return "–" if value is None else f"{value:,.{digits}f}"


def percent(value: float) -> str:
    """Show a share.

    >>> percent(0.256)
    '26 %'
    """
    return f"{value * 100:.0f} %"


def points(value: float) -> str:
    """Show a difference of shares in percentage points.

    >>> points(0.0512), points(-0.2)
    ('+5.1', '-20.0')
    """
    return f"{100 * value:+.1f}"


def moment(time: datetime) -> str:
    """Show a moment, to the minute.

    >>> moment(datetime(2026, 3, 4, 14, 5, 59, tzinfo=UTC))
    '2026-03-04 14:05 UTC'
    """
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def short(value: float) -> str:
    """Show a number of any size in few characters.

    >>> short(12_345_678.0), short(4321.0), short(21.37), short(0.0512)
    ('12M', '4,321', '21', '0.051')
    """
    size, letter = next(((size, letter) for size, letter in _SIZES if abs(value) >= 10 * size), (1.0, ""))
    scaled = value / size
    return f"{scaled:.2g}{letter}" if abs(scaled) < 9.95 else f"{scaled:,.0f}{letter}"


def p_text(value: float) -> str:
    """Show a p-value.

    >>> p_text(0.00012), p_text(0.25)
    ('< 0.001', '0.250')
    """
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def sentence(text: str) -> str:
    """Show words as a sentence.

    >>> sentence("there was no champion to compare it with")
    'There was no champion to compare it with.'
    """
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
