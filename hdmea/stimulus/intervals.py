"""Intervals between pulses that are not one frame long, and what is decided about each.

An interval without a pulse has two meanings: the display held a frame, and frames count as they
are, or a pulse was missed, and every later frame would be one too early. The parameters say
which, or the photodiode decides, or it stays undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from hdmea.errors import StimulusError
from hdmea.stimulus.clock_params import FrameClockParams
from hdmea.stimulus.photodiode import Photodiode, decide

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

_SHOWN = 5  # in a message
_NAMED = 20  # in a setting; for more, all at once
_MANY, _MANY_FRACTION = 10, 0.01
_EXACT = 1e-9  # an interval of just 0.5 or 1.5 medians is regular, whatever the rounding


@dataclass(frozen=True, slots=True, eq=False)
class Irregular:
    """Intervals between pulses outside 0.5-1.5 of the median, a row each.

    Parameters
    ----------
    frame
        Frame that begins the interval, index into the clock's times.
    start_s
        Its time.
    n_frames
        Length of the interval in medians, rounded.
    verdict
        ``held``, ``missed``, ``undecided`` (counted as held) or ``short`` (a pulse too many).
    decided_by
        ``photodiode``, ``parameter``, or empty where undecided.
    """

    frame: Int64
    start_s: Float64
    n_frames: Int64
    verdict: tuple[str, ...]
    decided_by: tuple[str, ...]

    @classmethod
    def none(cls) -> Self:
        """The table without a row."""
        nothing = np.empty(0, dtype=np.int64)
        return cls(nothing, np.empty(0), nothing, (), ())


def evenly_spaced(times_s: npt.ArrayLike) -> float:
    """Fraction of the intervals between times that is 0.5-1.5 of the median; NaN without any.

    Examples
    --------
    >>> evenly_spaced([0, 10, 20, 40, 50])
    0.75
    """
    intervals = np.diff(np.asarray(times_s, dtype=np.float64))
    if intervals.size == 0 or not np.median(intervals) > 0:
        return float("nan")
    return float(_regular(intervals / np.median(intervals)).mean())


def _regular(lengths: Float64) -> npt.NDArray[np.bool_]:
    regular: npt.NDArray[np.bool_] = (lengths >= 0.5 - _EXACT) & (lengths <= 1.5 + _EXACT)
    return regular


class Intervals:
    """Intervals between the kept pulses, and the judgement of the irregular ones."""

    def __init__(self, times: Float64, params: FrameClockParams) -> None:
        self.times, self.params = times, params
        intervals = np.diff(times)
        self.median = float(np.median(intervals))
        self.lengths = intervals / self.median
        self.irregular = np.flatnonzero(~_regular(self.lengths))

    def n_frames(self, i: int) -> int:
        """Length of an interval in medians, rounded."""
        return int(self.lengths[i] + 0.5)

    def verdicts(
        self, photodiode: Photodiode | None, remedies: Callable[[], str]
    ) -> dict[int, tuple[str, str]]:
        """Verdict and who decided, for every irregular interval."""
        named = self._named()
        open_ones = [i for i in self.irregular.tolist() if i not in named]
        self._refuse_many(open_ones, remedies)
        self._refuse_short(open_ones)
        self._refuse_any(open_ones)
        found: dict[int, tuple[str, str]] = {}
        for i in self.irregular.tolist():
            asked = named.get(i, self.params.irregular)
            if self.lengths[i] < 1:
                found[i] = ("short", "parameter")
            elif asked == "photodiode":
                decision = "undecided" if photodiode is None else self._decide(i, photodiode)
                found[i] = (decision, "" if decision == "undecided" else "photodiode")
            else:
                found[i] = (asked, "parameter")
        return found

    def _decide(self, i: int, photodiode: Photodiode) -> str:
        # Regular frames only: up to the next irregular interval on each side.
        k = int(np.searchsorted(self.irregular, i))
        low = int(self.irregular[k - 1]) + 1 if k else 0
        high = int(self.irregular[k + 1]) + 1 if k + 1 < self.irregular.size else None
        before, after = self.times[low : i + 1], self.times[i + 1 : high]
        return decide(photodiode, before, after, self.median)

    def _named(self) -> dict[int, str]:
        """What the parameters say of single intervals."""
        named: dict[int, str] = {}
        for verdict in ("held", "missed"):
            for time in getattr(self.params, f"{verdict}_at_s"):
                i = int(np.searchsorted(self.times, time, side="right")) - 1
                if i not in self.irregular:
                    # Cause: the time is mistyped, or the interval there is regular.
                    raise StimulusError(
                        f"frame_clock: {verdict}_at_s names {time:g} s, which lies in no "
                        f"irregular interval of the frame clock ({self.params.where}); these "
                        f"are: {self._listed(self.irregular) or 'none'}"
                    )
                if named.setdefault(i, verdict) != verdict:
                    # Cause: one interval was given two meanings.
                    raise StimulusError(
                        f"frame_clock: held_at_s and missed_at_s both name "
                        f"{self._listed([i])}; leave it in one"
                    )
                if verdict == "missed" and self.lengths[i] < 1:
                    # Cause: the interval is too short, not too long: no pulse can be missing in it.
                    raise StimulusError(
                        f"frame_clock: missed_at_s names {self._listed([i])}, in which there is "
                        f"a pulse too many, none too few; to keep it, name it in held_at_s"
                    )
        return named

    def _refuse_many(self, open_ones: Sequence[int], remedies: Callable[[], str]) -> None:
        few = len(open_ones) <= max(_MANY, _MANY_FRACTION * self.lengths.size)
        if few or self.params.irregular in ("held", "missed"):
            return
        # Cause: another row or event was taken for the frame clock, or its height is wrong.
        raise StimulusError(
            f"{self._said_of(open_ones)} So many are not single frames: these are probably not "
            f"the frame pulses, or not all of them. {remedies()} If the display really held so "
            f"many frames, set frame_clock: {{irregular: held}}; if so many pulses are missing, "
            f"frame_clock: {{irregular: missed}}."
        )

    def _refuse_short(self, open_ones: Sequence[int]) -> None:
        short = [i for i in open_ones if self.lengths[i] < 1]
        if not short or self.params.irregular == "held":
            return
        higher = (
            f"If they are false, a higher frame_clock: {{height: ...}} (now "
            f"{self.params.height:g}) leaves them out. "
            if self.params.source == "analog"
            else ""
        )
        # Cause: noise or crosstalk was taken for pulses, or the display sent an extra one.
        raise StimulusError(
            f"The frame clock ({self.params.where}) has pulses too many: {self._listed(short)}, "
            f"where a median is {1000 * self.median:.2f} ms. {higher}To count them as frames, "
            f"set {self._setting('held', short)}."
        )

    def _refuse_any(self, open_ones: Sequence[int]) -> None:
        if not open_ones or self.params.irregular != "error":
            return
        # Cause: the display held a frame, or a pulse was missed; which one, intervals alone do not
        # tell.
        raise StimulusError(
            f"{self._said_of(open_ones)} Either the display held a frame there, and nothing is "
            f"wrong, or a pulse was missed, and all later frames are one too early. If the "
            f"display held them, set {self._setting('held', open_ones)}; if pulses were missed, "
            f"{self._setting('missed', open_ones)}; to let the light decide, "
            f"frame_clock: {{irregular: photodiode}}."
        )

    def _said_of(self, which: Sequence[int]) -> str:
        return (
            f"The frame clock ({self.params.where}) has {len(which)} of {self.lengths.size} "
            f"intervals outside 0.5-1.5 of the median ({1000 * self.median:.2f} ms): "
            f"{self._listed(which)}."
        )

    def _listed(self, which: Sequence[int] | Int64) -> str:
        shown = "; ".join(
            f"frame {i} at {self.times[i]:.3f} s: {self.lengths[i]:.2f} medians"
            for i in which[:_SHOWN]
        )
        more = f"; and {len(which) - _SHOWN} more" if len(which) > _SHOWN else ""
        return shown + more

    def _setting(self, verdict: str, which: Sequence[int]) -> str:
        """The setting that names intervals by a time inside, besides those named already."""
        if len(which) > _NAMED:
            return f"frame_clock: {{irregular: {verdict}}}"
        known: tuple[float, ...] = getattr(self.params, f"{verdict}_at_s")
        times = sorted({*known, *map(self._middle, which)})
        return f"frame_clock: {{{verdict}_at_s: {times}}}"

    def _middle(self, i: int) -> float:
        """A time inside an interval, with as few digits as are needed."""
        start, stop = self.times[i], self.times[i + 1]
        digits = int(np.ceil(-np.log10((stop - start) / 4)))
        return float(round((start + stop) / 2, max(digits, 0)))
