"""The commands that the pages show."""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHELLS = {"bash", "console", "sh"}
NAMES = {"BATCH", "FILE", "MODEL", "REVISION"}
"""What stands for a name of the reader's own."""

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_ENDS = {"&&", "||", ";", "|", "&"}


@dataclass(frozen=True)
class Command:
    """One command line of a block.

    Attributes:
        page: with the path from the project's folder.
        text: as it is typed, without the comment behind it.
        comment: the comment, "" where there is none.
        parts: the words of each simple command in it, without assignments, redirections and what the shell adds.
    """

    page: str
    text: str
    comment: str = ""
    parts: list[list[str]] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """Why it cannot be run here, as the page tells its reader: what it needs, or what stands in for a name."""
        if self.comment.startswith("needs "):
            return self.comment
        names = [word for part in self.parts for word in part if word in NAMES]
        return f"{names[0]} stands for a name" if names else ""


def commands_of(page: Path) -> list[Command]:
    """List the commands of a page's console and shell blocks, in order."""
    found = []
    for language, block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if language in SHELLS:
            lines = block.replace("\\\n", " ").splitlines()
            typed = [line[2:] for line in lines if line.startswith("$ ")] if language == "console" else lines
            found += [_command(page, line) for line in typed if line.strip() and not line.startswith("#")]
    return found


def _command(page: Path, line: str) -> Command:
    # a comment begins at a # after a blank, outside quotes
    text, comment = line, ""
    for match in re.finditer(r"\s#\s?", line):
        if line[: match.start()].count("'") % 2 == 0 and line[: match.start()].count('"') % 2 == 0:
            text, comment = line[: match.start()], line[match.end() :]
            break
    return Command(page.relative_to(ROOT).as_posix(), text.strip(), comment.strip(), list(_simple(text)))


def _simple(text: str) -> list[list[str]]:
    words = shlex.shlex(text, posix=True, punctuation_chars=True)
    words.whitespace_split, words.commenters = True, ""
    parts: list[list[str]] = [[]]
    redirected = False
    for word in words:
        if word in _ENDS:
            parts.append([])
        elif re.fullmatch(r"[<>]+&?", word):
            redirected = True
        elif redirected or (not parts[-1] and (word in "{}" or re.match(r"\w+=", word))):
            redirected = False
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


@pytest.fixture(scope="session")
def page_commands() -> dict[str, list[Command]]:
    """Give the commands of each page that has any."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found = {page.relative_to(ROOT).as_posix(): commands_of(page) for page in pages}
    return {page: commands for page, commands in found.items() if commands}


@pytest.fixture(scope="session")
def parse() -> Callable[[str], Command]:
    """Give a function that reads one command line."""
    return lambda line: _command(ROOT / "README.md", line)
