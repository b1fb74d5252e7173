"""Blocks of pixels, computed side by side in threads; each is a piece that can be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hdmea.pieces import Pieces, side_by_side

PIXELS_PER_BLOCK = 128
"""Part of the definition of results that are rounded, hence not a parameter."""
_PAGE_BYTES = 4096


class BlockWork(Protocol):
    """Work on one block of pixels, that does not depend on the others."""

    def write(self, images: npt.NDArray[Any], block: slice) -> None:
        """Fill what the block is of the results, from its images, ``(image, pixel)``."""

    def piece(self, block: slice) -> Mapping[str, npt.NDArray[Any]]:
        """What the block is of the results: views."""


def in_blocks(
    work: BlockWork,
    pixels: npt.NDArray[Any],
    threads: int,
    pieces: Pieces,
    progress: Callable[[float], None],
) -> None:
    """Compute all blocks of pixels, those of an earlier run excepted.

    Parameters
    ----------
    work
        What is done with a block.
    pixels
        Images, ``(image, pixel)``, perhaps mapped from a file.
    threads
        Blocks at a time.
    pieces
        What an earlier run has left, and what this one may leave.
    progress
        Called with the part of the pixels that is done, after each block.

    Raises
    ------
    RunInterrupted
        If the run is to end; the blocks that were being computed are done then.
    """
    n_pixels = pixels.shape[1]

    def jobs() -> Iterator[tuple[slice, Callable[[], None]]]:
        for block, images in _cut(pixels):
            if (stored := pieces.stored(_name(block))) is None:
                yield block, partial(work.write, images, block)
                continue
            for what, values in stored.items():
                work.piece(block)[what][:] = values

    def done(block: slice, _: None) -> None:
        progress(block.stop / n_pixels)
        pieces.done(_name(block), work.piece(block))

    side_by_side(jobs(), threads, done)


def _cut(pixels: npt.NDArray[Any]) -> Iterator[tuple[slice, npt.NDArray[Any]]]:
    """Each block with its images; a file is read once, a page of each image at a time."""
    per_page = max(1, _PAGE_BYTES // pixels.itemsize // PIXELS_PER_BLOCK) * PIXELS_PER_BLOCK
    for begin in range(0, pixels.shape[1], per_page):
        page = np.array(pixels[:, begin : begin + per_page])
        for column in range(0, page.shape[1], PIXELS_PER_BLOCK):
            images = page[:, column : column + PIXELS_PER_BLOCK]
            yield slice(begin + column, begin + column + images.shape[1]), images


def _name(block: slice) -> str:
    return f"pixels_{block.start}_{block.stop}"
