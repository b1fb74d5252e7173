"""Extremes of smoothed firing rates after a change of the light, by prominence."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

ROUNDING_HZ = 1e-9
"""Less than any spike can make of a rate; a smaller difference, or peak, is one of rounding."""


def low_passed(rates_hz: Float64, sampling_hz: float, *, cut_hz: float, order: int) -> Float64:
    """Rates through a digital Bessel low-pass filter, forward and backward, ``(unit, bin)``.

    Both ways together shift nothing in time and keep the mean of a constant rate. The filter is
    linear: of the mean over trials it gives the mean of the filtered trials.

    Parameters
    ----------
    rates_hz
        Rates, ``(unit, bin)``, of more than ``3 * (order + 1)`` bins.
    sampling_hz
        Bins per second.
    cut_hz, order
        Of the filter, for one way.

    Examples
    --------
    >>> smooth = low_passed(np.eye(1, 61, 30), 60.0, cut_hz=10.0, order=5)
    >>> int(smooth.argmax()), round(float(smooth.sum()), 3), round(float(smooth.max()), 2)
    (30, 1.0, 0.22)
    """
    from scipy.signal import bessel, filtfilt

    if rates_hz.shape[0] == 0:
        return rates_hz.copy()
    numerator, denominator = bessel(order, cut_hz, btype="low", fs=sampling_hz)
    return np.asarray(filtfilt(numerator, denominator, rates_hz, axis=-1))


def largest_extremes(
    rates_hz: Float64, centre_hz: Float64, prominence_hz: Float64
) -> tuple[Float64, Float64]:
    """The largest of the most prominent peak and the most prominent trough of each unit.

    Parameters
    ----------
    rates_hz
        Rates in the window that is searched, ``(unit, bin)``; an end is no peak.
    centre_hz
        What extremes are measured from, one per unit.
    prominence_hz
        Smallest prominence of a peak or trough, one per unit, taken in the window alone.

    Returns
    -------
    value_hz, bin : float64 arrays, one entry per unit
        Extreme minus centre, and its bin; of equal sizes the peak. NaN where there is none.

    Examples
    --------
    >>> rates = np.array([[5.0, 7.0, 5.0, 1.0, 5.0], [5.0, 5.0, 5.0, 5.0, 5.0]])
    >>> largest_extremes(rates, np.array([5.0, 5.0]), np.array([1.0, 1.0]))
    (array([-4., nan]), array([ 3., nan]))
    """
    from scipy.signal import find_peaks

    value, place = (np.full(rates_hz.shape[0], np.nan) for _ in range(2))
    for unit, rates in enumerate(rates_hz):
        for sign in (1, -1):
            least = max(float(prominence_hz[unit]), ROUNDING_HZ)
            peaks, found = find_peaks(sign * rates, prominence=least)
            if peaks.size:
                peak = peaks[found["prominences"].argmax()]
                height = rates[peak] - centre_hz[unit]
                if not abs(height) <= abs(value[unit]):
                    value[unit], place[unit] = height, peak
    return value, place
