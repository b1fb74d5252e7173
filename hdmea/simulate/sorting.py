"""What a spike sorter would have stored about a unit whose spikes are known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hdmea.errors import ParameterError

MEASURES: Final = (
    "SDScore", "AmplitudeSD", "RSTD", "Separability", "IsoINN", "IsoIBg",
    "NoiseStd", "SNR", "Skewness", "Kurtosis", "IcaConverged", "IcaIterations",
)  # fmt: skip
"""Quality measures of the sorter, in the order of real files."""

PEAK_THRESHOLD: Final = 4.0
"""Peaks above it count as spikes; the sorter's source signal is scaled to unit noise."""

_PEAKS: Final = np.dtype([("Timestamp", "<i8"), ("PeakAmplitude", "<f8"), ("IncludePeak", "u1")])


def _no_times() -> npt.NDArray[np.float64]:
    return np.empty(0, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class UnitTrain:
    """One sorted unit.

    Parameters
    ----------
    unit_id
        The sorter's number; numbers may have gaps.
    row, column
        Place on the chip, 1..65.
    spike_times_s, rejected_times_s
        Peaks that count as spikes and peaks that do not, float64 s, ascending. The file keeps
        whole microseconds.
    """

    unit_id: int
    row: int
    column: int
    spike_times_s: npt.NDArray[np.float64]
    rejected_times_s: npt.NDArray[np.float64] = field(default_factory=_no_times)


def peak_table(unit: UnitTrain, duration_us: int) -> npt.NDArray[Any]:
    """Interleave spikes and rejected peaks in time, as the sorter keeps them.

    Returns
    -------
    structured array (peak,)
        ``Timestamp`` in microseconds, ``PeakAmplitude`` (spikes well above the threshold,
        rejected peaks below it), ``IncludePeak`` 1 for spikes.

    Raises
    ------
    ParameterError
        If times are not finite, not ascending, or outside the recording.

    Examples
    --------
    >>> unit = UnitTrain(3, 1, 1, np.array([0.1, 0.3]), rejected_times_s=np.array([0.2]))
    >>> peaks = peak_table(unit, duration_us=1_000_000)
    >>> peaks["Timestamp"].tolist(), peaks["IncludePeak"].tolist()
    ([100000, 200000, 300000], [1, 0, 1])
    """
    for times in (unit.spike_times_s, unit.rejected_times_s):
        if not np.all(np.isfinite(times)) or np.any(np.diff(times) < 0):
            raise ParameterError(f"unit {unit.unit_id}: peak times must be finite and ascending")
        if times.size and (times[0] < 0 or np.rint(times[-1] * 1e6) > duration_us):
            raise ParameterError(
                f"unit {unit.unit_id}: peaks from {times[0]} to {times[-1]} s must lie in the "
                f"recording of {duration_us / 1e6} s"
            )
    n_spikes, n_rejected = unit.spike_times_s.size, unit.rejected_times_s.size
    peaks = np.zeros(n_spikes + n_rejected, dtype=_PEAKS)
    times_s = np.concatenate([unit.spike_times_s, unit.rejected_times_s])
    peaks["Timestamp"] = np.rint(times_s * 1e6).astype(np.int64)
    peaks["IncludePeak"][:n_spikes] = 1
    rng = np.random.default_rng([unit.unit_id, unit.row, unit.column])
    peaks["PeakAmplitude"][:n_spikes] = rng.normal(3 * PEAK_THRESHOLD, 1.0, n_spikes)
    peaks["PeakAmplitude"][n_spikes:] = rng.uniform(0.5, 1.0, n_rejected) * PEAK_THRESHOLD
    return peaks[np.argsort(peaks["Timestamp"], kind="stable")]


def measures(peaks: npt.NDArray[Any]) -> dict[str, float]:
    """Compute the measures that follow from a peak table; those of a sorting never run are NaN.

    Amplitudes are in units of the source's noise, so ``NoiseStd`` is 1 and ``SNR`` the mean
    amplitude of the spikes.
    """
    amplitudes = peaks["PeakAmplitude"][peaks["IncludePeak"] == 1]
    known = {"NoiseStd": 1.0}
    if amplitudes.size:
        known |= {"AmplitudeSD": float(amplitudes.std()), "SNR": float(amplitudes.mean())}
    return {name: known.get(name, np.nan) for name in MEASURES}
