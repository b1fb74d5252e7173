"""What may happen to a file between its writing and its reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

PAGE = 4096
Generator = np.random.Generator


class Damage(NamedTuple):
    """A kind of damage."""

    name: str
    says: str
    do: Callable[[bytearray, int, Generator], None]
    """Does it at or from a place."""


def _cut(content: bytearray, place: int, _: Generator) -> None:
    del content[place:]


def _zeros_to_the_end(content: bytearray, place: int, _: Generator) -> None:
    content[place:] = bytes(len(content) - place)


def _bit(content: bytearray, place: int, rng: Generator) -> None:
    content[place] ^= 1 << int(rng.integers(8))


def _byte(content: bytearray, place: int, rng: Generator) -> None:
    content[place] ^= int(rng.integers(1, 256))


def _zero_page(content: bytearray, place: int, _: Generator) -> None:
    first = place - place % PAGE
    content[first : first + PAGE] = bytes(len(content[first : first + PAGE]))


def _other_page(content: bytearray, place: int, rng: Generator) -> None:
    first = place - place % PAGE
    length = len(content[first : first + PAGE])
    other = PAGE * int(rng.integers(0, max(1, len(content) // PAGE)))
    content[first : first + length] = content[other : other + PAGE][:length].ljust(length, b"\0")


def _longer(content: bytearray, _: int, rng: Generator) -> None:
    content += rng.bytes(int(rng.integers(1, 2 * PAGE)))


DAMAGES = {
    one.name: one
    for one in (
        Damage("cut", "it ends early", _cut),
        Damage("zeros to the end", "the room was taken, the copy not finished", _zeros_to_the_end),
        Damage("flipped bit", "one bit is another", _bit),
        Damage("changed byte", "one byte is another", _byte),
        Damage("page of zeros", f"{PAGE} bytes were never written", _zero_page),
        Damage("another page", f"{PAGE} bytes are those of another place", _other_page),
        Damage("longer", "something follows that does not belong to it", _longer),
    )
}


def damaged(whole: bytes, damage: Damage, place: int, rng: Generator) -> bytes:
    """The content after damage of a kind at a place."""
    content = bytearray(whole)
    damage.do(content, place, rng)
    return bytes(content)
