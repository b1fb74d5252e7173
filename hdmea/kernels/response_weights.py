"""How much each part of a response window tells: a matched filter for counts.

Most of a window is rest. A spike in a part of it in which a unit fires as at rest says nothing of
the response, and one where it fires much more than at rest says all of it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

EVENLY = 0.1
"""Weight that all parts have, so that responses whose mean is as at rest count, too."""
_STEPS = 64


def response_weights(mean: npt.ArrayLike, at_rest: npt.ArrayLike) -> Float64:
    """Weights of the bins of a window, ``max(0, m - b) / m + EVENLY``.

    With b spikes at rest in a bin, and m in the mean over all presentations of everything that is
    compared, smoothed over neighbouring bins by (1, 2, 1) / 4: that is the part of a bin's spikes
    that belong to the response, and the weight of the score test for its amplitude. Which
    presentation showed what is not used, so that a permutation of presentations with these weights
    is as exact as without.

    Weights are multiples of 1 / 64: their sums are exact, in any order.

    Parameters
    ----------
    mean
        Spikes per presentation, ``(unit, bin)``.
    at_rest
        Spikes at rest in a bin, one per unit.

    Returns
    -------
    ndarray
        ``(unit, bin)``.

    Examples
    --------
    One spike in each bin at rest, three more in the third bin, of which its neighbours get a part:

    >>> response_weights([[1.0, 1.0, 4.0, 1.0, 1.0]], [1.0]).round(2)
    array([[0.09, 0.53, 0.7 , 0.53, 0.09]])
    """
    m = np.asarray(mean, dtype=np.float64)
    around = np.concatenate([m[:, :1], m, m[:, -1:]], axis=1)
    smooth = (around[:, :-2] + 2 * m + around[:, 2:]) / 4
    above = np.maximum(smooth - np.asarray(at_rest, dtype=np.float64)[:, None], 0)
    part = np.divide(above, smooth, out=np.zeros_like(m), where=smooth > 0)
    weights: Float64 = np.rint(_STEPS * (part + EVENLY)) / _STEPS
    return weights
