"""Every feature has a figure in docs/definitions.md, which shows what the code draws today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from figures import FIGURES
from figures.canvas import digest, draw, path_of, saved_digest
from PIL import Image

from hdmea.features.registry import FEATURES

DEFINITIONS = Path(__file__).parents[1] / "docs/definitions.md"
SECTION = re.compile(r"^### `(\w+)`: .*?(?=^##)", re.DOTALL | re.MULTILINE)


def sections() -> dict[str, str]:
    page = DEFINITIONS.read_text(encoding="utf-8")
    return {found[1]: found[0] for found in SECTION.finditer(page)}


def test_every_feature_has_a_figure_and_every_figure_a_feature() -> None:
    assert list(FIGURES) == list(FEATURES)
    assert {path.stem for path in path_of("x").parent.glob("*.png")} == set(FEATURES)


@pytest.mark.parametrize("name", FEATURES)
def test_the_definition_shows_its_figure_with_words_for_it(name: str) -> None:
    shown = re.search(
        rf"^!\[(?P<instead>[^\]]+)\]\(figures/{name}\.png\)\n\n\*(?P<caption>[^*]+)\*$",
        sections()[name].partition("\n#### ")[0],
        re.MULTILINE,
    )
    assert shown is not None
    assert len(shown["instead"]) > 40
    assert len(shown["caption"]) > 150


@pytest.mark.parametrize("name", FEATURES)
def test_the_figure_is_what_the_feature_gives_today(name: str) -> None:
    assert saved_digest(path_of(name)) == digest(draw(FIGURES[name])), "run: make figures"


@pytest.mark.parametrize("name", FEATURES)
def test_the_figure_is_small_and_can_be_read(name: str) -> None:
    assert path_of(name).stat().st_size < 100_000
    with Image.open(path_of(name)) as image:
        assert 780 <= image.width <= 1000


def test_another_number_or_word_makes_another_digest() -> None:
    def drawn(move: int = 0, said: str = "same") -> str:
        figure = draw(FIGURES["frif"])
        axes = figure.axes[0]
        axes.plot([0, 1], [100 + move, 2])
        axes.text(0, 0, said)
        return digest(figure)

    assert drawn() == drawn()
    assert len({drawn(), drawn(move=1), drawn(said="other")}) == 3
