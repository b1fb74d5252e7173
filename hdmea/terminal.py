"""Text on its way to a terminal or a log: it shows what it says, and does nothing else.

Names in files may come from anywhere. A terminal obeys control characters, turns text around
where Unicode tells it to, and cannot be given half characters (surrogates), as which names in no
encoding are read.
"""

from __future__ import annotations

import sys
import unicodedata
from typing import Final

_KEPT: Final = "\n\t"
_NOT_SHOWN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def shown(text: str) -> str:
    r"""The text, with a backslash and a number for what a terminal would obey or cannot show.

    Ends of lines and tabs stay.

    Examples
    --------
    >>> print(shown("unit \x1b[2J, name \udcff, µ"))
    unit \x1b[2J, name \udcff, µ
    """
    if text.isascii() and text.isprintable():  # nearly always
        return text
    return "".join(
        character.encode("unicode_escape").decode("ascii") if _acts(character) else character
        for character in text
    )


def say(text: str) -> None:
    """Write to standard output, at once, what a terminal shows of a text, and an end of line."""
    sys.stdout.write(f"{shown(text)}\n")
    sys.stdout.flush()


def in_a_line(text: str) -> str:
    r"""The same for text that must not begin a line of its own.

    Examples
    --------
    >>> print(in_a_line("a\nERROR b"))
    a\nERROR b
    """
    return shown(text).replace("\n", r"\n").replace("\t", r"\t")


def _acts(character: str) -> bool:
    if character in _KEPT:
        return False
    return character in _TURNING or unicodedata.category(character) in _NOT_SHOWN
