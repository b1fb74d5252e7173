"""Example units: which ones, their responses to the light step, and their STAs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hdmea.export.readings import POLARITIES, included, n_units, polarity, sta_stimuli, z_peaks
from hdmea.kernels.psth import psth_counts
from hdmea.kernels.spikes import SpikeTrains
from hdmea.kernels.sta_peak import sta_peaks, z_threshold
from hdmea.report.alignment import frame_interval_s
from hdmea.report.palette import DIVERGING, LIGHT, POLARITY_COLOURS, QUIET, UNKNOWN
from hdmea.session import PipelineSession

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Float64 = npt.NDArray[np.float64]

BIN_S = 0.01
SIGMA_S = 0.05
"""Bin of the PSTH, and the Gaussian by which it is smoothed for the eye."""


@dataclass(frozen=True)
class StepTrials:
    """Trials of the light step; times in s, shape ``(trial,)``."""

    movie: str
    start_s: Float64
    stop_s: Float64
    on_s: Float64
    off_s: Float64


def choose_examples(session: PipelineSession, wanted: int = 3) -> list[int]:
    """Rows of included units that respond well: an ON, an OFF and another one if there are such.

    A unit's strength is its larger change of rate at light on or off plus the size of its STA's
    peak, each relative to the best unit that is included; then its number of spikes and its
    number decide. Units without spikes are chosen last.
    """
    n = n_units(session)
    if n == 0:
        return []
    usable = included(session)
    spikes = session.values("units/n_spikes")
    strength = _relative(np.where(usable, _step_strength(session), 0))
    strength += _relative(np.where(usable, _sta_strength(session), 0))
    order = np.lexsort((session.values("units/unit_id"), -spikes, -strength, spikes == 0))
    order = order[usable[order]].tolist()
    classes = polarity(session)
    chosen: list[int] = []
    for name in ("on", "off", "on_off"):
        if classes is not None:
            chosen += [row for row in order if classes[row] == name][:1]
    chosen += [row for row in order if row not in chosen]
    return chosen[:wanted]


def step_trials(session: PipelineSession) -> StepTrials | None:
    """Trials of the first light step that was shown; None where none is known."""
    if "stimulus/trials/kind" not in session:
        return None
    kinds, movies = (session.values(f"stimulus/trials/{name}") for name in ("kind", "movie"))
    if not (kinds == "step").any():
        return None
    movie = str(movies[kinds == "step"][0])
    of_trial, names, times = (
        session.values(f"stimulus/events/{name}") for name in ("trial", "name", "time_s")
    )
    rows = np.flatnonzero(movies == movie)
    on, off = (
        np.array([_first(times[(of_trial == row) & (names == name)]) for row in rows])
        for name in ("light_on", "light_off")
    )
    start, stop = (
        session.values(f"stimulus/trials/{name}")[rows] for name in ("start_s", "stop_s")
    )
    lit = ~np.isnan(on) & ~np.isnan(off)
    return StepTrials(movie, start[lit], stop[lit], on[lit], off[lit]) if lit.any() else None


def draw_raster(
    raster: Axes, rate: Axes, session: PipelineSession, row: int, trials: StepTrials | None
) -> None:
    """Spikes of one unit in every trial of the light step, and their rate, from light on."""
    if trials is None:
        rate.set_visible(False)
        known = "stimulus/trials/kind" in session
        say(raster, "no light step was shown" if known else "no trials are known")
        return
    times = session.spike_times(int(session.values("units/unit_id")[row]))
    colour = unit_colour(session, row)
    first = float((trials.start_s - trials.on_s).min())
    last = float((trials.stop_s - trials.on_s).max())
    lit = float(np.median(trials.off_s - trials.on_s))
    for axes in (raster, rate):
        axes.axvspan(0, lit, facecolor=LIGHT, edgecolor="none", zorder=0, gid="light")
        axes.set_xlim(first, last)
    raster.eventplot(
        [
            times[np.searchsorted(times, start) : np.searchsorted(times, stop)] - on
            for start, stop, on in zip(trials.start_s, trials.stop_s, trials.on_s, strict=True)
        ],
        lineoffsets=list(range(1, trials.on_s.size + 1)), linelengths=0.8, linewidths=0.7,
        colors=colour,
    )  # fmt: skip
    raster.set_ylim(trials.on_s.size + 0.5, 0.5)
    raster.set_yticks(sorted({1, trials.on_s.size}))
    raster.set_ylabel("trial")
    raster.tick_params(labelbottom=False)
    if not times.size:
        raster.text(0.5, 0.5, "no spikes", transform=raster.transAxes, ha="center", color=QUIET)
    centres, hertz = smooth_psth(times, trials, first, last)
    rate.fill_between(centres, hertz, color=colour, alpha=0.35, linewidth=0)
    rate.plot(centres, hertz, color=colour, linewidth=1)
    rate.set_ylim(0, max(1.0, 1.08 * float(hertz.max())))
    rate.set_ylabel("rate (Hz)")
    rate.locator_params(axis="y", nbins=3)


def smooth_psth(
    times: Float64, trials: StepTrials, first: float, last: float
) -> tuple[Float64, Float64]:
    """Middles of the bins (s from light on) and smoothed rate (Hz)."""
    from scipy.ndimage import gaussian_filter1d

    n_bins = max(1, round((last - first) / BIN_S))
    train = SpikeTrains(times, np.array([times.size]))
    counts = psth_counts(train, trials.on_s + first, BIN_S, n_bins)[0]
    hertz = counts / (trials.on_s.size * BIN_S)
    smooth = gaussian_filter1d(hertz, SIGMA_S / BIN_S, mode="reflect")
    centres = first + BIN_S * (np.arange(n_bins, dtype=np.float64) + 0.5)
    return centres, np.asarray(smooth, dtype=np.float64)


def draw_sta(
    image: Axes, course: Axes, session: PipelineSession, row: int, stimulus: str | None
) -> None:
    """The STA's frame at its peak, and its course at the peak's pixel."""
    if stimulus is None:
        course.set_visible(False)
        say(image, "no STA")
        return
    with_z = f"sta/{stimulus}/z" in session
    movie = _centred_sta(session, stimulus, row)
    peak = sta_peaks(movie[None])
    if np.isnan(peak.z[0]):
        course.set_visible(False)
        say(image, "no STA:\ntoo few spikes")
        return
    lag, y, x = int(peak.lag[0]), int(peak.y[0]), int(peak.x[0])
    limit = float(abs(peak.z[0])) or 1.0
    drawn = image.imshow(
        movie[lag], cmap=DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest"
    )
    image.plot(x, y, "s", markerfacecolor="none", markeredgecolor="black", markersize=5)
    height, width = movie.shape[1:]
    image.set_xticks(sorted({0, width - 1}))
    image.set_yticks(sorted({0, height - 1}))
    image.set_xlabel("x (pixel)", labelpad=1)
    image.set_ylabel("y (pixel)", labelpad=0)
    bar = image.figure.colorbar(drawn, ax=image, fraction=0.05, pad=0.04)
    bar.set_ticks([-limit, 0, limit], labels=[_signed(-limit), "0", _signed(limit)])
    bar.outline.set_visible(False)

    interval = frame_interval_s(session)
    scale, unit = (1.0, "frames") if interval is None else (1000 * interval, "ms")
    when = session.values(f"sta/{stimulus}/lags") * scale
    shown = "z" if with_z else "STA"
    image.set_title(f"{shown} at {_signed(when[lag])} {unit}", fontsize=9)
    colour = unit_colour(session, row)
    course.axhline(0, color=QUIET, linewidth=0.6)
    if with_z:
        beyond_chance = z_threshold(movie.size)
        for level in (-beyond_chance, beyond_chance):
            course.axhline(level, color=QUIET, linewidth=0.8, linestyle=":", gid="chance")
    course.plot(when, movie[:, y, x], color=colour, linewidth=1.3)
    course.plot(when[lag], movie[lag, y, x], "o", color=colour, markersize=4.5)
    course.set_xlim(when.min(), max(0.0, when.max()))
    course.locator_params(axis="x", nbins=3)
    course.set_ylabel(shown, labelpad=1)
    n = int(session.values(f"sta/{stimulus}/n_spikes")[row])
    course.set_title(f"{n} spikes", fontsize=9)


def course_label(session: PipelineSession) -> str:
    """What the axis of the STA's course shows."""
    return f"before the spike ({'ms' if frame_interval_s(session) else 'frames'})"


def unit_title(session: PipelineSession, row: int, letter: str) -> str:
    """Letter, number, polarity and size of a unit."""
    classes = polarity(session)
    said = [f"{letter}   unit {session.values('units/unit_id')[row]}"]
    if classes is not None:
        said.append(POLARITIES.get(str(classes[row]), str(classes[row])))
        index = float(session.values("features/on_off/on_off_index")[row])
        if not np.isnan(index):
            said.append(f"ON-OFF index {index:.2f}")
    said.append(f"{session.values('units/n_spikes')[row]} spikes")
    place = (session.values(f"units/{name}")[row] for name in ("column", "row"))
    said.append("column {}, row {}".format(*place))
    return ", ".join(said)


def unit_colour(session: PipelineSession, row: int) -> str:
    """Colour of a unit's polarity."""
    classes = polarity(session)
    return UNKNOWN if classes is None else POLARITY_COLOURS.get(str(classes[row]), UNKNOWN)


def say(axes: Axes, message: str) -> None:
    """Put a message in place of what a panel would show."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center", color=QUIET)


def _centred_sta(session: PipelineSession, stimulus: str, row: int) -> Float64:
    """z scores, centred per pixel by definition; without them the mean minus that over lags."""
    if f"sta/{stimulus}/z" in session:
        return np.asarray(session[f"sta/{stimulus}/z"].data[row], dtype=np.float64)
    mean = np.asarray(session[f"sta/{stimulus}/sta"].data[row], dtype=np.float64)
    centred: Float64 = mean - mean.mean(axis=0)
    return centred


def _step_strength(session: PipelineSession) -> Float64:
    if polarity(session) is None:
        return np.zeros(n_units(session))
    on, off = (session.values(f"features/on_off/r_{edge}_hz") for edge in ("on", "off"))
    return np.maximum(on, off)


def _sta_strength(session: PipelineSession) -> Float64:
    for stimulus in sta_stimuli(session)[:1]:
        peaks = z_peaks(session, stimulus)
        if peaks is not None:
            return np.abs(peaks.z)
    return np.zeros(n_units(session))


def _relative(values: Float64) -> Float64:
    """Values relative to the largest; 0 where undefined or negative."""
    known = np.maximum(np.nan_to_num(values), 0)
    return known / max(float(known.max()), np.finfo(float).tiny)


def _signed(value: float) -> str:
    """A number of about three digits with a true minus sign."""
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def _first(values: Float64) -> float:
    return float(values[0]) if values.size else float("nan")
