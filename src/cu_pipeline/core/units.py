"""The names of what is counted as one: a clip's content, and the unit that it depends on."""


def unit_name(creator: str, content: str) -> str:
    """Name what depends on itself, as references and traffic do: a creator's clips, or one content where none is told.

    >>> unit_name("Ann", "m/t"), unit_name("", "m/t")
    ('creator:Ann', 'content:m/t')
    """
    return f"creator:{creator}" if creator else f"content:{content}"


def content_name(media_sha256: str, text_sha256: str) -> str:
    """Name what a clip shows and says; "" where it does neither.

    >>> content_name("m", "t"), content_name("", "")
    ('m/t', '')
    """
    return f"{media_sha256}/{text_sha256}" if media_sha256 or text_sha256 else ""
