import html.entities
import re
import unicodedata
from functools import lru_cache
from typing import Final

_SPACED: Final = re.compile(r"\r\n|[\r\v\f\x85\u2028\u2029]")
_AMPERSANDS: Final = re.compile(r"&(?:(?:amp|AMP|#0*38|#[xX]0*26);)+")
_ENTITY: Final = re.compile(r"&(#\d{1,8}|#[xX][0-9a-fA-F]{1,7}|[A-Za-z][A-Za-z0-9]{0,40});")
_JOINERS: Final = "\u200c\u200d"
_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_BLANK: Final = re.compile("[\u200c\u200d\u180b-\u180f\u2800\ufe00-\ufe0f\U0001d159\U000e0100-\U000e01ef]")
_FLAG: Final = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")


def clean_caption(text: str) -> str:
    r"""Write a caption as people see it, in one spelling.

    HTML entities become what they stand for, control and zero-width characters go, every kind of space and line
    break becomes one kind, white space around is cut off, and what remains is in Unicode's composed form (NFC).
    Emoji, hashtags and mentions stay. So do the joiners that emoji sequences, Arabic and Indic scripts are spelt with,
    and the letters of subdivision flags. Cleaning again changes nothing.

    >>> clean_caption("Caf\u0065\u0301\u200b &amp; tea &#128512;\u0000 #caf\u00e9 ")
    'Café & tea 😀 #café'
    """
    while (cleaned := _clean(text)) != text:
        text = cleaned
    return text


def is_blank(text: str) -> bool:
    r"""Whether people see nothing of a text: blanks, and characters that only change how others look.

    >>> is_blank("\ufe0f \u2800\u200b"), is_blank("\u2764\ufe0f")
    (True, False)
    """
    return all(character.isspace() or _BLANK.match(character) for character in clean_caption(text))


@lru_cache(maxsize=2**16)
def clean_name(name: str) -> str:
    r"""Write the name of a class, a creator or an annotator in one spelling: as a caption, on one line.

    Every run of blanks becomes one blank. Names that differ only in what people do not see are the same then.

    >>> clean_name("Tom \u00a0&amp;\tJerry\u200b ")
    'Tom & Jerry'
    """
    while (cleaned := " ".join(clean_caption(name).split())) != name:
        name = cleaned
    return name


@lru_cache(maxsize=2**16)
def folded_name(name: str) -> str:
    """Write a name so that those which differ only in case or form, such as `Ｆｏｏｄ` and `food`, are equal.

    >>> folded_name("Straße") == folded_name("STRASSE")
    True
    """
    return clean_name(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()))


def _clean(text: str) -> str:
    text = _ENTITY.sub(_meaning, _AMPERSANDS.sub("&", text))
    text = unicodedata.normalize("NFC", _SPACED.sub("\n", text))
    if text.isprintable() and _INVISIBLE.isdisjoint(text):
        return text.strip()
    flags = {place for flag in _FLAG.finditer(text) for place in range(*flag.span())}
    kept = (
        character if character.isprintable() and character not in _INVISIBLE else _kept(text, place, place in flags)
        for place, character in enumerate(text)
    )
    return "".join(kept).strip()


def _meaning(entity: re.Match[str]) -> str:
    name = entity[1]
    if not name.startswith("#"):
        return html.entities.html5.get(name + ";", entity[0])
    number = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else ""


def _kept(text: str, place: int, in_flag: bool) -> str:
    character = text[place]
    kind = unicodedata.category(character)
    if kind == "Zs":
        return " "
    if character in _JOINERS:
        return character if _joins(text, place) else ""
    if character in _INVISIBLE or (kind in {"Cc", "Cf"} and character not in "\n\t" and not in_flag):
        return ""
    return character


def _joins(text: str, place: int) -> bool:
    """Whether the joiner at `place` is part of the spelling."""
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if not before or not after:
        return False
    if text[place] == "\u200d" and unicodedata.category(after) == "So":
        return unicodedata.category(before) in {"So", "Sk"} or before == "\ufe0f"
    return _is_joining(before) and _is_joining(after)


def _is_joining(character: str) -> bool:
    return "\u0600" <= character <= "\u1aff" and unicodedata.category(character)[0] in "LM"
