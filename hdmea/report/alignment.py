"""The alignment strip: whether the light that was recorded follows the playlist."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hdmea.report.palette import KIND_COLOURS, KIND_WORDS, QUIET, WARNING
from hdmea.session import PipelineSession
from hdmea.stimulus.alignment import LEAST_R

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

Float64 = npt.NDArray[np.float64]

_REASONS = {
    "constant_luminance": "constant light",
    "constant_photodiode": "photodiode is flat",
    "only_noise": "photodiode is only noise",
}
_COLUMNS = 1500
_LANES = 2


def draw_alignment(axes: Axes, session: PipelineSession) -> None:
    """Photodiode over the whole recording, sections of the playlist, irregular frames."""
    missing = []
    if "stimulus/photodiode" in session:
        _draw_photodiode(axes, session)
    else:
        missing.append("no photodiode was recorded")
        axes.set_yticks([])
    axes.set_xlim(0, _duration(session))
    axes.set_xlabel("time in the recording (s)")
    if "stimulus/sections/start_s" in session:
        _draw_sections(axes, session)
    else:
        missing.append("no sections are known: add_section_time has not run")
    _draw_clock(axes, session)
    if missing:
        axes.text(
            0.5, 0.5, "; ".join(missing), transform=axes.transAxes, ha="center", va="center",
            color=QUIET, bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )  # fmt: skip


def envelope(values: Float64, n_bins: int) -> tuple[Float64, Float64, Float64]:
    """Place (in samples), minimum and maximum of each of at most `n_bins` equal pieces.

    Examples
    --------
    >>> envelope(np.array([3.0, 1.0, 2.0, 5.0]), 2)
    (array([1., 3.]), array([1., 2.]), array([3., 5.]))
    """
    edges = np.linspace(0, values.size, min(n_bins, values.size) + 1).astype(np.int64)
    low, high = (f.reduceat(values, edges[:-1]) for f in (np.minimum, np.maximum))
    return (edges[:-1] + edges[1:]) / 2, low, high


def _draw_photodiode(axes: Axes, session: PipelineSession) -> None:
    from matplotlib.ticker import EngFormatter

    light = session.values("stimulus/photodiode")
    if light.size == 0:
        return
    place, low, high = envelope(light, _COLUMNS)
    start = float(session.values("stimulus/photodiode_start_s"))
    times = start + place / float(session.values("stimulus/photodiode_rate_hz"))
    axes.fill_between(times, low, high, color="#333333", linewidth=0.4, zorder=2)
    unit = session["stimulus/photodiode"].unit
    axes.set_ylabel(f"photodiode\n({unit}s)" if unit == "count" else f"photodiode\n({unit})")
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.locator_params(axis="y", nbins=4)


def _duration(session: PipelineSession) -> float:
    """Time up to which something is known, s."""
    ends = [1.0]
    if "recording/duration_s" in session:
        ends.append(float(session.values("recording/duration_s")))
    for path in ("stimulus/sections/end_s", "stimulus/frame_times"):
        if path in session:
            ends += session.values(path)[-1:].tolist()
    return float(np.nanmax(ends))


def _draw_sections(axes: Axes, session: PipelineSession) -> None:
    start, end = (session.values(f"stimulus/sections/{name}") for name in ("start_s", "end_s"))
    kinds = [str(kind) for kind in session.values("stimulus/sections/kind")]
    complete = "stimulus/sections/complete"
    whole = session.values(complete).tolist() if complete in session else [1] * len(kinds)
    cut = ["" if one else ", cut" for one in whole]
    labels = []
    for i, kind in enumerate(kinds):
        colour = KIND_COLOURS.get(kind, KIND_COLOURS["unknown"])
        axes.axvspan(
            start[i], end[i], facecolor=colour, edgecolor=QUIET, linewidth=0.5, alpha=0.45,
            zorder=1, gid=f"section {i}",
        )  # fmt: skip
        agreement, suspect = _agreement(session, i)
        label = axes.text(
            (start[i] + end[i]) / 2, 1.03, f"{KIND_WORDS.get(kind, kind)}{cut[i]}\n{agreement}",
            transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=8,
            linespacing=1.3, color=WARNING if suspect else "black",
            fontweight="bold" if suspect else "normal", gid=f"label {i}",
        )  # fmt: skip
        labels.append(label)
    left_out = _place_in_lanes(axes, labels)
    if left_out:
        _explain_colours(axes, list(dict.fromkeys(kinds)), left_out)


def _agreement(session: PipelineSession, section: int) -> tuple[str, bool]:
    """What the comparison of photodiode and movie said, and whether it is suspect."""
    if "stimulus/alignment/r" not in session:
        return "not checked", False
    r, lag = (
        float(session.values(f"stimulus/alignment/{name}")[section]) for name in ("r", "lag_frames")
    )
    if np.isnan(r):
        reason = str(session.values("stimulus/alignment/reason")[section])
        return _REASONS.get(reason, reason.replace("_", " ")), False
    suspect = r < LEAST_R or lag != 0
    shift = "0" if lag == 0 else f"{lag:+.0f} frame{'s' if abs(lag) != 1 else ''}"
    return f"r {r:.2f}, lag {shift}", suspect


def _place_in_lanes(axes: Axes, labels: Sequence[Text]) -> int:
    """Lift labels above those they would cover; remove what finds no place, return how many."""
    box = axes.get_window_extent()
    reach = [-np.inf] * _LANES
    left_out = 0
    height = max((label.get_window_extent().height for label in labels), default=0.0)
    for label in labels:
        extent = label.get_window_extent()
        lane = next((k for k in range(_LANES) if extent.x0 > reach[k] + 6), None)
        if lane is None:
            label.remove()
            left_out += 1
            continue
        reach[lane] = extent.x1
        label.set_y(1.03 + lane * (height + 3) / box.height)
    return left_out


def _explain_colours(axes: Axes, kinds: Sequence[str], left_out: int) -> None:
    from matplotlib.patches import Patch

    axes.legend(
        handles=[
            Patch(
                facecolor=KIND_COLOURS.get(kind, KIND_COLOURS["unknown"]),
                edgecolor=QUIET, alpha=0.45, label=KIND_WORDS.get(kind, kind),
            )
            for kind in kinds
        ],
        title=f"{left_out} sections without label", loc="center left", bbox_to_anchor=(1.0, 0.5),
        frameon=False, title_fontsize=8, fontsize=8,
    )  # fmt: skip


def _draw_clock(axes: Axes, session: PipelineSession) -> None:
    """Say how regular the frame clock is and mark where it is not."""
    if "stimulus/frame_times" not in session:
        said, odd = "no frame clock", True
    else:
        frames = session.values("stimulus/frame_times")
        interval = frame_interval_s(session)
        table = "stimulus/clock/irregular"
        known = f"{table}/frame" in session
        irregular = session.values(f"{table}/frame") if known else np.zeros(0, np.int64)
        if irregular.size:
            axes.plot(
                frames[irregular], np.full(irregular.size, 0.03), "v", color=WARNING, markersize=6,
                transform=axes.get_xaxis_transform(), clip_on=False, gid="irregular frames",
            )  # fmt: skip
        n, odd = irregular.size, bool(irregular.size)
        told = "all regular"
        if n:
            verdicts = Counter(session.values(f"{table}/verdict").tolist())
            counted = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
            told = f"irregular (marked): {counted}"
        said = f"frame clock: {frames.size} frames"
        if interval is not None:
            said += f" of {1000 * interval:.2f} ms"
        said += f", {told}"
    axes.text(
        1.0, -0.24, said, transform=axes.transAxes, ha="right", va="top", fontsize=8,
        color=WARNING if odd else QUIET, gid="frame clock",
    )  # fmt: skip


def frame_interval_s(session: PipelineSession) -> float | None:
    """Median frame interval, s; None where there is no frame clock."""
    if "stimulus/clock/median_interval_s" in session:
        return float(session.values("stimulus/clock/median_interval_s"))
    if "stimulus/frame_times" not in session or session["stimulus/frame_times"].data.shape[0] < 2:
        return None
    return float(np.median(np.diff(session.values("stimulus/frame_times"))))
