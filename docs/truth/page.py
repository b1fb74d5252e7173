"""The page docs/truth.md: operating point, table of claims, pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from truth import operating_point as point
from truth.claim import Claim, Samples
from truth.irregularity import REPEATS, fano_factors
from truth.retina import Columns

FOLDER = Path(__file__).with_name("found")
PAGE = FOLDER.parent.with_suffix(".md")
CELLS = "cells"

_HEAD = """# Truth

What the features recover of simulated retinas whose every property is known. The operating point
was fixed, with its reasons, before anything was computed; `make truth` simulates the retinas,
computes all features with their default parameters, judges the claims, and writes this page and its
pictures. A smaller version runs with the tests (`tests/test_truth.py`).

## The operating point
"""
_CELLS = """
The model is in `docs/truth/retina.py` and shares no code with the features. {n_cells} cells for
each of the seeds {seeds}, {total} in all; each is recorded twice, with {long} minutes of noise and
{long_trials} trials, and with {short} minutes and {short_trials} trials.
"""
_FANO = """
Fano factors are the variance over the mean of {repeats} simulated trials of a cell, with dead time
and drift. Real ganglion cells vary as much as Poisson cells (1) where they answer weakly, and less,
up to several times, where they answer strongly (Berry et al. 1997, Uzzell and Chichilnisky 2004).
"""
_TABLE = """
## The claims

*found* is over the cells of all seeds, *by seed* each of them alone, n how many cells a number is
from. A number without a bound is told only. A claim that does not hold is explained below; its
bound stays.
"""
_NOT_YET = """
## Not computed yet

{what}
"""


def spreads(cells: Columns) -> dict[str, list[str]]:
    """Percentiles of what the page tells of the cells that were drawn."""
    columns = {**cells, **fano_factors(cells)}
    return {
        name: [f"{value:{form}}" for value in np.percentile(columns[name], (5, 50, 95))]
        for name, (_, form) in DRAWN.items()
    }


def numbers(claim: Claim, seeds: Sequence[Samples], all_seeds: Samples) -> list[dict[str, Any]]:
    """What was measured, of all seeds and of each, as it is stored."""
    alone = [claim.judge(samples) for samples in seeds]
    return [
        {
            "what": measure.what,
            "bound": measure.bound,
            "holds": measure.holds if measure.bounded else None,
            "found": f"{measure.found:{measure.form}}",
            "by_seed": [f"{one[row].found:{measure.form}}" for one in alone],
            "n": measure.n,
        }
        for row, measure in enumerate(claim.judge(all_seeds))
    ]


def store(name: str, found: Any) -> None:
    """Keep what was found for a claim, or `CELLS`."""
    text = json.dumps(found, indent=1) + "\n"
    (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


def stored(name: str) -> Any:
    """What was stored last."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def rendered(claims: Sequence[Claim]) -> str:
    """The page, of what was stored last."""
    cells = stored(CELLS)
    minutes = {name: seconds // 60 for name, seconds in point.NOISE_S.items()}
    parts = [
        _HEAD,
        _rows(("what", "how much", "why"), point.TOLD),
        _CELLS.format(
            n_cells=point.N_CELLS, seeds=", ".join(map(str, point.SEEDS)),
            total=point.N_CELLS * len(point.SEEDS), long=minutes["long"], short=minutes["short"],
            long_trials=point.TRIALS["long"], short_trials=point.TRIALS["short"],
        ),
        _rows(
            ("of the cells that were drawn", "5 %", "median", "95 %"),
            [(said, *cells[name]) for name, (said, _) in DRAWN.items()],
        ),
        _FANO.format(repeats=f"{REPEATS:,}"),
        _TABLE,
        _rows(
            ("claim", "measure", "bound", "found", "by seed", "n", "holds"),
            [_row(claim, one) for claim in claims for one in stored(claim.name)],
        ),
    ]  # fmt: skip
    for claim in claims:
        parts.append(f"\n### {claim.name}\n\n{claim.statement}.\n")
        if claim.remark:
            parts.append(f"\n{claim.remark}\n")
        parts.append(f"\n![{claim.picture}](truth/found/{claim.name}.png)\n")
    if NOT_YET:
        parts.append(_NOT_YET.format(what="\n".join(f"- {what}" for what in NOT_YET)))
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _row(claim: Claim, one: Mapping[str, Any]) -> tuple[str, ...]:
    holds = {True: "yes", False: "**no**", None: ""}[one["holds"]]
    by_seed = ", ".join(one["by_seed"])
    return claim.name, one["what"], one["bound"], one["found"], by_seed, str(one["n"]), holds


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


DRAWN = {
    "noise_hz": ("mean rate in the noise (Hz)", ".1f"),
    "bar_spikes": ("spikes above rest in the best direction of the bar", ".1f"),
    "step_d_prime": ("d' of the response to the step in one trial", ".1f"),
    "fano_step": (
        "Fano factor over trials of the counts in 0.5 s after the better edge of the step",
        ".2f",
    ),
    "fano_rest": ("Fano factor of the counts in 0.1 s at rest", ".2f"),
    "sigma_px": ("size of the field (px)", ".1f"),
    "biphasic_index": ("trough over peak of the response to a flash", ".1f"),
}
"""Columns whose spread the page tells: in which words, and how they are written."""
NOT_YET: tuple[str, ...] = ()
"""Claims that are still to be judged."""
