"""The first look at a recording: one picture."""

from __future__ import annotations

import io
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from hdmea.errors import ParameterError
from hdmea.export.readings import (
    SHORT_DIGEST,
    included,
    n_spikes,
    n_units,
    sta_stimuli,
    step_versions,
    units_said,
)
from hdmea.report.alignment import draw_alignment
from hdmea.report.chip import draw_chip
from hdmea.report.examples import (
    BIN_S,
    SIGMA_S,
    StepTrials,
    choose_examples,
    course_label,
    draw_raster,
    draw_sta,
    say,
    step_trials,
    unit_title,
)
from hdmea.report.palette import QUIET, STYLE, WARNING
from hdmea.session import PipelineSession
from hdmea.store.small_file import write_small_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZE_INCHES = (13.0, 10.4)
_DPI = 110
_EXAMPLES = 3


def draw_overview(session_path: str | Path, png_path: str | Path) -> Path:
    """Draw the overview of a session file as a PNG.

    Photodiode and playlist over the whole recording; the units on the chip by their response to
    the light step; three example units with raster, rate and STA. What a recording lacks is said
    in its place. The same file gives the same picture.

    Parameters
    ----------
    session_path
        Session file.
    png_path
        The picture; replaced whole if it exists.

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    FileMissingError, SessionFileError
        If there is no session file, or it is damaged.
    ParameterError
        If matplotlib is not installed.
    OutputWriteError
        If the picture cannot be written.
    """
    session = PipelineSession.load(session_path)
    try:
        from matplotlib import style
    except ModuleNotFoundError as error:
        raise ParameterError(
            "pictures need matplotlib, which is not installed; install it: pip install "
            "'hdmea[report]'"
        ) from error
    image = io.BytesIO()
    with style.context(["default", STYLE]):
        # without the version of matplotlib, so that equal pictures are equal files
        overview_figure(session).savefig(image, format="png", dpi=_DPI, metadata={"Software": None})
    return write_small_file(png_path, image.getvalue())


def overview_figure(session: PipelineSession) -> Figure:
    """The overview as a figure, not tied to any window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI)
    FigureCanvasAgg(figure)
    _write_head(figure, session)
    draw_alignment(figure.add_axes((0.065, 0.735, 0.92, 0.125), label="alignment"), session)
    examples = choose_examples(session, _EXAMPLES)
    letters = dict(zip(examples, "ABC", strict=False))
    draw_chip(figure.add_axes((0.05, 0.195, 0.345, 0.43125), label="chip"), session, letters)
    trials = step_trials(session)
    stimulus = next(iter(sta_stimuli(session)), None)
    if examples:
        _write_caption(figure, trials, stimulus)
    else:
        say(
            figure.add_axes((0.4, 0.1, 0.58, 0.5)),
            "no units to show" if not n_units(session) else "no unit is included",
        )
    for place, (row, letter) in enumerate(letters.items()):
        _draw_example(figure, session, row, letter, place, trials, stimulus)
    return figure


def _draw_example(
    figure: Figure,
    session: PipelineSession,
    row: int,
    letter: str,
    place: int,
    trials: StepTrials | None,
    stimulus: str | None,
) -> None:
    """One example unit in its place from above: raster over rate, STA, its course."""
    bottom = 0.505 - 0.2 * place
    raster = figure.add_axes((0.46, bottom + 0.06, 0.23, 0.075), label=f"raster {letter}")
    rate = figure.add_axes((0.46, bottom, 0.23, 0.055), label=f"rate {letter}")
    image = figure.add_axes((0.732, bottom, 0.088, 0.12), label=f"sta {letter}")
    course = figure.add_axes((0.893, bottom, 0.093, 0.12), label=f"course {letter}")
    figure.text(0.43, bottom + 0.15, unit_title(session, row, letter), fontweight="bold")
    draw_raster(raster, rate, session, row, trials)
    draw_sta(image, course, session, row, stimulus)
    if place == _EXAMPLES - 1 or place == int(included(session).sum()) - 1:
        rate.set_xlabel("time from light on (s)")
        course.set_xlabel(course_label(session))


def _write_head(figure: Figure, session: PipelineSession) -> None:
    head = [units_said(session), f"{n_spikes(session)} spikes"]
    if "stimulus/playlist" in session:
        head.append(f"playlist {session.values('stimulus/playlist')}")
    figure.text(0.015, 0.965, session.dataset_id, fontsize=15, fontweight="bold", va="center")
    figure.text(0.985, 0.965, ", ".join(head), fontsize=11, va="center", ha="right")
    versions = ", ".join(f"{name} {version}" for name, version in step_versions(session))
    made = f"content {session.content_digest[:SHORT_DIGEST]} - steps and versions: {versions}"
    figure.text(0.015, 0.943, textwrap.shorten(made, 190), fontsize=8, color=QUIET, va="center")
    told = [f"{name} is pending: it waits for {what}" for name, what in session.pending.items()]
    told += session.warnings
    if told:
        more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
        said = textwrap.shorten(told[0], 170 - len(more)) + more
        figure.text(0.015, 0.924, said, fontsize=8, color=WARNING, va="center", gid="warnings")


def _write_caption(figure: Figure, trials: StepTrials | None, stimulus: str | None) -> None:
    """What is shown, of what, with which parameters."""
    said = []
    if trials is not None:
        said.append(
            f"Raster and rate: {trials.on_s.size} trials of {trials.movie}, light on shaded; rate "
            f"in bins of {1000 * BIN_S:.0f} ms, smoothed by a Gaussian of {1000 * SIGMA_S:.0f} ms."
        )
    if stimulus is not None:
        said.append(
            f"STA to {stimulus}: frame of its largest deviation (marked pixel) and course there; "
            "red is brighter, blue darker than the mean before a spike; dotted: p = 0.01, "
            "Bonferroni over lags and pixels."
        )
    if trials is None and stimulus is None:
        said.append("Examples: the units with most spikes.")
    else:
        said.append("Examples: strongest ON, OFF and other unit by response to the step and STA.")
    figure.text(
        0.015, 0.012, textwrap.fill(" ".join(said), 225), fontsize=8, color=QUIET, va="bottom"
    )
