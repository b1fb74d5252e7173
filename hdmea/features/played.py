"""Which movie a feature is about, its trials, and when something happens in each of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hdmea.errors import ParameterError, StimulusError, UnknownNameError
from hdmea.features.inputs import Trials

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def chosen_movie(feature: str, kind: str, played: list[str], stimulus: str | None) -> str | None:
    """The movie that a feature is about; None if none of its kind was played.

    Parameters
    ----------
    feature
        Name of the feature, for the errors.
    kind
        Kind of stimulus that it is about.
    played
        Movies of that kind that were played.
    stimulus
        The one that the user chose; None: the only one.

    Raises
    ------
    ParameterError
        If several were played and none is chosen.
    UnknownNameError
        If some were played, but not the chosen one.

    Examples
    --------
    >>> chosen_movie("chirp", "chirp", ["chirp_3x"], None)
    'chirp_3x'
    >>> chosen_movie("chirp", "chirp", ["chirp_3x", "chirp_5x"], None)
    Traceback (most recent call last):
    hdmea.errors.ParameterError: chirp: several movies of the kind 'chirp' were played: chirp_3x,
    chirp_5x; choose one, e.g. chirp: {stimulus: chirp_3x}
    """
    if not played:
        return None
    if stimulus is None:
        if len(played) > 1:
            raise ParameterError(
                f"{feature}: several movies of the kind {kind!r} were played: "
                f"{', '.join(played)}; choose one, e.g. {feature}: {{stimulus: {played[0]}}}"
            )
        return played[0]
    if stimulus not in played:
        raise UnknownNameError(
            f"{feature}: {stimulus!r} was not played; choose one of the kind {kind!r} that was: "
            f"{', '.join(played)}"
        )
    return stimulus


def trials_of(trials: Trials, feature: str, kind: str, stimulus: str | None) -> Int64:
    """Rows of the trials that a feature is about; none if nothing of its kind was played.

    Raises
    ------
    ParameterError, UnknownNameError
        As `chosen_movie`.
    """
    of_kind = trials.kind == kind
    played: list[str] = np.unique(trials.movie[of_kind]).tolist()
    movie = chosen_movie(feature, kind, played, stimulus)
    return np.flatnonzero(of_kind & (trials.movie == movie)).astype(np.int64)


def event_times(trials: Trials, rows: Int64, name: str) -> Float64:
    """When an event happens, which every one of these trials has once; seconds, one per trial.

    Raises
    ------
    StimulusError
        If a trial lacks it, or has it twice.
    """
    mine = (trials.event_name == name) & np.isin(trials.event_trial, rows)
    order = np.argsort(trials.event_trial[mine], kind="stable")
    if not np.array_equal(trials.event_trial[mine][order], rows):
        movie = str(trials.movie[rows[0]])
        raise StimulusError(
            f"movie {movie!r}: every trial needs one event {name!r}. Give its events (frames from "
            f"the trial's start) in {movie}.yaml of the stimulus library"
        )
    return np.asarray(trials.event_time_s[mine][order])
