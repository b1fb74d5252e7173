"""What tables, lines and pictures alike read off a session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from hdmea.arrays import Array
from hdmea.digest import rows_at_once, split_rows
from hdmea.kernels.sta_peak import StaPeaks, sta_peaks, z_threshold
from hdmea.session import PipelineSession

Text = npt.NDArray[np.str_]

POLARITIES = {
    "on": "ON",
    "off": "OFF",
    "on_off": "ON-OFF",
    "suppressed": "suppressed",
    "none": "no response",
}
"""Classes of the feature ``on_off`` in the order in which they are told, and how."""

SHORT_DIGEST = 12
"""Characters of a content digest that people are shown."""


def n_units(session: PipelineSession) -> int:
    """Number of units; 0 where the recording has no sorted file."""
    return int(session["units/unit_id"].data.shape[0]) if "units/unit_id" in session else 0


def included(session: PipelineSession) -> npt.NDArray[np.bool_]:
    """Flags of the units that are included: all of them where nobody has curated them."""
    path = "units/included"
    if path not in session:
        return np.ones(n_units(session), dtype=np.bool_)
    return np.asarray(session.values(path) == 1)


def units_said(session: PipelineSession) -> str:
    """How many units there are and, where they were curated, how many are included."""
    n = n_units(session)
    said = f"{n} unit{'s' if n != 1 else ''}"
    if "units/included" in session:
        said += f", {int(included(session).sum())} included"
    return said


def n_spikes(session: PipelineSession) -> int:
    """Spikes of the included units; 0 where the recording has no sorted file."""
    path = "units/n_spikes"
    return int(session.values(path)[included(session)].sum()) if path in session else 0


def polarity(session: PipelineSession) -> npt.NDArray[np.str_] | None:
    """Class by ``on_off`` of each unit, None where the feature or its stimulus is missing."""
    path = "features/on_off/class"
    if path not in session:
        return None
    found = session.values(path).astype(np.str_)
    return found if found.size == 0 or (found != "").any() else None


def polarity_counts(session: PipelineSession) -> dict[str, int] | None:
    """Included units of each class that occurs, ordered as `POLARITIES`; None as for `polarity`."""
    classes = polarity(session)
    if classes is None:
        return None
    counted = Counter(classes[included(session)].tolist())
    return {name: counted[name] for name in (*POLARITIES, *sorted(counted)) if name in counted}


def sta_stimuli(session: PipelineSession) -> list[str]:
    """Stimuli of which there is an STA, sorted."""
    return sorted(
        path.split("/")[1] for path in session.paths("sta/") if path.endswith("/n_spikes")
    )


def z_peaks(session: PipelineSession, stimulus: str) -> StaPeaks | None:
    """Peaks of the z scores of one stimulus; None where z was not computed.

    The z scores may be larger than the memory; they are read as many units at a time as the file
    checks at once.
    """
    path = f"sta/{stimulus}/z"
    if path not in session:
        return None
    z = session[path].data
    pieces = [
        sta_peaks(z[rows]) for rows in split_rows(z.shape, rows_at_once(z.shape, z.dtype.itemsize))
    ] or [sta_peaks(np.empty(z.shape, z.dtype))]
    return StaPeaks(
        *(np.concatenate([getattr(p, name) for p in pieces]) for name in ("z", "lag", "y", "x"))
    )


def no_peak_reasons(session: PipelineSession, stimulus: str, peaks: StaPeaks) -> Text:
    """Why a unit has no peak, empty where it has one.

    ``too_few_spikes``: none was averaged. ``no_variation``: the movie, or the unit's number of
    spikes per image, is the same throughout, so that z is not defined.
    """
    averaged = session.values(f"sta/{stimulus}/n_spikes") > 0
    undefined = np.isnan(peaks.z)
    return np.select(
        [undefined & ~averaged, undefined], ["too_few_spikes", "no_variation"], default=""
    )


def is_significant(session: PipelineSession, stimulus: str, peaks: StaPeaks) -> Array:
    """Flags of the units whose STA stands out (p < 0.01, Bonferroni over lags and pixels)."""
    n_voxels = int(np.prod(session[f"sta/{stimulus}/z"].data.shape[1:]))
    with np.errstate(invalid="ignore"):
        return np.abs(peaks.z) > z_threshold(n_voxels)


def step_versions(session: PipelineSession) -> Iterator[tuple[str, int]]:
    """Name and version of what made each contribution, in the order in which they were made."""
    for name, contribution in session.contributions.items():
        yield name, contribution.recipe.version
