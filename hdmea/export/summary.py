"""A recording in a line."""

from __future__ import annotations

import math
from pathlib import Path

from hdmea.export.readings import (
    POLARITIES,
    SHORT_DIGEST,
    included,
    is_significant,
    n_spikes,
    no_peak_reasons,
    polarity_counts,
    sta_stimuli,
    units_said,
    z_peaks,
)
from hdmea.session import PipelineSession
from hdmea.terminal import in_a_line


def summary_line(path: str | Path) -> str:
    """Say of a session file in one line what it holds.

    Units and, where they were curated, how many of them are included; of these: spikes, units by
    response to the light step, units whose STA stands out (p < 0.01, Bonferroni over lags and
    pixels). Duration, playlist, what is pending, number of warnings, and the first characters of
    the content digest.

    Raises
    ------
    FileMissingError, SessionFileError
        If there is no session file, or it is damaged.
    """
    session = PipelineSession.load(path)
    said = [
        units_said(session),
        f"{n_spikes(session)} spikes",
        _duration(session),
        _playlist(session),
        _polarities(session),
        *_sta(session),
    ]
    if session.pending:
        said.append(f"PENDING {', '.join(session.pending)}")
    n = len(session.warnings)
    said.append("no warnings" if n == 0 else f"{n} warning{'s' if n > 1 else ''}")
    said.append(f"content {session.content_digest[:SHORT_DIGEST]}")
    return in_a_line(f"{session.dataset_id}: {'; '.join(said)}")


def _duration(session: PipelineSession) -> str:
    path = "recording/duration_s"
    seconds = float(session.values(path)) if path in session else math.nan
    return "duration unknown" if math.isnan(seconds) else f"{seconds:.1f} s"


def _playlist(session: PipelineSession) -> str:
    path = "stimulus/playlist"
    return f"playlist {session.values(path)}" if path in session else "no playlist"


def _polarities(session: PipelineSession) -> str:
    counts = polarity_counts(session)
    if counts is None:
        return "no light step"
    return ", ".join(f"{POLARITIES.get(name, name)} {n}" for name, n in counts.items()) or (
        "no unit to classify"
    )


def _sta(session: PipelineSession) -> list[str]:
    said = []
    for stimulus in sta_stimuli(session):
        peaks = z_peaks(session, stimulus)
        if peaks is not None:
            chosen = included(session)
            n = int(is_significant(session, stimulus, peaks)[chosen].sum())
            flat = int((no_peak_reasons(session, stimulus, peaks)[chosen] == "no_variation").sum())
            but = f", undefined {flat} for lack of variation" if flat else ""
            said.append(f"STA significant {n} of {int(chosen.sum())}{but} ({stimulus})")
    return said or ["no STA"]
