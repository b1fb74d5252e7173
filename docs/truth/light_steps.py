"""Recordings of a light step from cells that do and do not respond, and fire in several ways.

Of each kind there are cells that do not see the light at all, and cells as in `retina`, whose gain
is drawn from hardly anything to that of the operating point. Spikes are gamma intervals, or bursts.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.signal import lfilter
from scipy.stats import beta

from hdmea.features.inputs import FeatureInputs, Trials
from hdmea.features.on_off import OnOffParams, on_off
from hdmea.kernels.spikes import SpikeTrains
from hdmea.simulate import movies
from hdmea.simulate.movies import GREY, GeneratedMovie
from truth import operating_point as point
from truth import retina
from truth.claim import Sample
from truth.recordings import GAP_FRAMES
from truth.retina import Columns, joined, rows_of

KINDS: Final = ("regular", "poisson", "bursting", "drifting")
FANO: Final = (2.0, 5.0)
"""Of bursting cells: bursts of 1.5 to 3 spikes in the mean, of any number."""
BURST_INTERVAL_S: Final = (0.003, 0.006)
FAST_DRIFT: Final = (0.3, 20.0)
"""Of drifting cells, SD and s: three times as much and three times as fast as of all others."""
DRIVEN_GAIN_HZ: Final = (6.0, 120.0)
WINDOW_FRAMES, BASELINE_FRAMES = 30, 60
"""Of `on_off`: half a second after an edge, a second before it."""


def light_steps(n_still: int, n_driven: int, seed: int) -> Sample:
    """So many cells of each kind that do not respond, and that do, with 3 and with 5 trials."""
    parts = [
        _recorded(kind, n_trials, n_still, n_driven, np.random.default_rng([seed, 31, row]))
        for row, (kind, n_trials) in enumerate(
            (kind, n_trials) for n_trials in point.TRIALS.values() for kind in KINDS
        )
    ]
    return Sample(joined(*(part.cells for part in parts)), joined(*(part.found for part in parts)))


def bursts(rng: np.random.Generator, rate_hz: np.ndarray, fano: float) -> np.ndarray:
    """Spike times of a cell that fires in bursts, whose rate is constant within a frame; s.

    A burst comes as a Poisson event, and has a geometric number of spikes, (fano + 1) / 2 in the
    mean, 3 to 6 ms apart. The Fano factor of counts in windows much longer than a burst is `fano`:
    the mean square of the number over its mean.
    """
    per_burst = (fano + 1) / 2
    expected = np.r_[0.0, np.cumsum(rate_hz * point.FRAME_S / per_burst)]
    when = np.sort(rng.uniform(0, expected[-1], rng.poisson(expected[-1])))
    first = np.interp(when, expected, np.arange(expected.size) * point.FRAME_S)
    n = rng.geometric(1 / per_burst, first.size)
    start = np.cumsum(n) - n
    since = np.r_[0.0, np.cumsum(rng.uniform(*BURST_INTERVAL_S, n.sum()))]
    times = np.repeat(first - since[start], n) + since[:-1]
    return np.sort(times[times < rate_hz.size * point.FRAME_S])


def _recorded(
    kind: str, n_trials: int, n_still: int, n_driven: int, rng: np.random.Generator
) -> Sample:
    n = n_still + n_driven
    step = movies.light_step(repeat=n_trials)
    cells = _drawn(kind, n, np.arange(n) >= n_still, rng)
    rates = _rates(cells, step)
    edges = [GAP_FRAMES + frames for frames in _edges(step).values()]
    trains = []
    for rate, order, fano in zip(rates, cells["gamma_order"], cells["fano"], strict=True):
        course = rate * _drift(kind, rng, rate.size)
        trains.append(
            bursts(rng, course, float(fano))
            if kind == "bursting"
            else retina.spikes(rng, course, int(order), point.REFRACTORY_S)
        )
    spikes = SpikeTrains(np.concatenate(trains), np.cumsum([train.size for train in trains]))
    values = on_off(FeatureInputs(spikes, trials=_trials(step)), OnOffParams()).values
    found, d_prime = {}, {}
    # Poisson counts and those of regular cells are tested as Poisson counts.
    more = np.maximum(cells["fano"], 1.0)
    for edge, frames in zip(("on", "off"), edges, strict=True):
        d_prime[edge] = d_prime_of(rates, frames, more)
        n_after, n_before = values[f"n_spikes_{edge}"], values[f"n_spikes_{edge}_baseline"]
        found |= {
            f"p_{edge}": values[f"p_{edge}"],
            f"relative_dispersion_{edge}": values[f"dispersion_{edge}"] / cells["fano"],
            f"p_poisson_{edge}": known_p(n_after, n_before, np.ones(n)),
            f"p_known_{edge}": known_p(n_after, n_before, more),
        }
    return Sample(
        {
            "kind": np.full(n, kind),
            "n_trials": np.full(n, n_trials),
            "driven": cells["driven"],
            "fano": cells["fano"],
            **{f"d_prime_{edge}": value for edge, value in d_prime.items()},
        },
        found,
    )


def known_p(n_after: np.ndarray, n_before: np.ndarray, fano: np.ndarray) -> np.ndarray:
    """Exact two-sided p of the counts over their Fano factor, if that is known."""
    share = WINDOW_FRAMES / (WINDOW_FRAMES + BASELINE_FRAMES)
    tails = []
    for one, other, part in ((n_after, n_before, share), (n_before, n_after, 1 - share)):
        some = np.maximum(one, 1) / fano
        tails.append(np.where(one > 0, beta.cdf(part, some, other / fano + 1), 1.0))
    return np.asarray(np.minimum(1, 2 * np.minimum(*tails)))


def _drawn(
    kind: str, n: int, driven: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    cells = retina.draw_cells(rng, rng.choice(["on", "off", "on_off", "balanced"], n))
    low, high = np.log(DRIVEN_GAIN_HZ)
    orders = rng.choice(point.GAMMA_ORDERS[1:], n) if kind == "regular" else np.ones(n, np.int64)
    fano = rng.uniform(*FANO, n) if kind == "bursting" else 1 / orders
    return cells | {
        "gain_hz": np.where(driven, np.exp(rng.uniform(low, high, n)), 0.0),
        "driven": driven,
        "gamma_order": orders,
        "fano": fano,
    }


def _rates(cells: Columns, step: GeneratedMovie) -> np.ndarray:
    """Rates during grey, the step and grey, ``(cell, frame)``; at rest of what is not driven."""
    contrast = (step.frames[:, 0, 0].astype(np.float64) - GREY) / 128
    light = np.r_[np.zeros(GAP_FRAMES), contrast, np.zeros(GAP_FRAMES)]
    out = np.repeat(cells["rest_hz"][:, None], light.size, axis=1)
    driven = np.flatnonzero(cells["driven"])
    seeing = rows_of(cells, driven)
    # A field sees of full light what its surround leaves of it.
    whole = (1 - seeing["surround_weight"])[:, None] * light
    out[driven] = retina.rates(seeing, retina.drives(seeing, whole), np.full(light.size, np.nan))
    return out


def _drift(kind: str, rng: np.random.Generator, n_frames: int) -> np.ndarray:
    """That of all cells, or a larger and faster one; a factor for each frame."""
    if kind != "drifting":
        return retina.drift(rng, n_frames)
    sd, tau_s = FAST_DRIFT
    keep = np.exp(-point.FRAME_S / tau_s)
    steps = rng.standard_normal(n_frames) * np.sqrt(1 - keep**2)
    steps[0] = rng.standard_normal()
    return np.exp(sd * lfilter([1], [1, -keep], steps) - sd**2 / 2)


def _edges(step: GeneratedMovie) -> dict[str, np.ndarray]:
    """Frames of the movie at which the light changes, in all trials."""
    rule = step.trials
    first = rule.start_frame + rule.trial_length_frames * np.arange(rule.repeat)
    return {name: first + frame for name, frame in step.events}


def d_prime_of(rates: np.ndarray, edges: np.ndarray, fano: np.ndarray) -> np.ndarray:
    """Expected change at an edge over its standard deviation, over all trials."""
    after = np.mean([rates[:, at : at + WINDOW_FRAMES].mean(axis=1) for at in edges], axis=0)
    before = np.mean([rates[:, at - BASELINE_FRAMES : at].mean(axis=1) for at in edges], axis=0)
    variance = fano * (after / WINDOW_FRAMES + before / BASELINE_FRAMES) / len(edges)
    return np.asarray((after - before) * np.sqrt(point.FRAME_S / variance))


def _trials(step: GeneratedMovie) -> Trials:
    rule, edges = step.trials, _edges(step)
    start = GAP_FRAMES + rule.start_frame + rule.trial_length_frames * np.arange(rule.repeat)
    return Trials(
        movie=np.full(rule.repeat, step.name),
        kind=np.full(rule.repeat, step.kind),
        number=np.arange(rule.repeat),
        start_s=point.FRAME_S * start,
        stop_s=point.FRAME_S * (start + rule.trial_length_frames),
        event_trial=np.tile(np.arange(rule.repeat), len(edges)),
        event_name=np.repeat(list(edges), rule.repeat),
        event_time_s=point.FRAME_S * (GAP_FRAMES + np.concatenate(list(edges.values()))),
    )
