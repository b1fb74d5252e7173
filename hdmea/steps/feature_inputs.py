"""What a feature gets of a session: what its declaration says that it needs, and the spikes."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial

import numpy as np

from hdmea.arrays import Array
from hdmea.features.declaration import Feature
from hdmea.features.inputs import FeatureInputs, ShownMovie, Sta, Trials, Units
from hdmea.kernels.sta import Presentations
from hdmea.session import PipelineSession
from hdmea.steps.inputs import spike_trains
from hdmea.steps.library import as_it_was_shown, stimulus_library
from hdmea.stimulus.geometry import Geometry, stored_geometry
from hdmea.stimulus.movie import Movie


def feature_inputs(session: PipelineSession, feature: Feature) -> FeatureInputs:
    """What a feature declares that it needs, and the spikes."""
    needs = feature.needs
    return FeatureInputs(
        spikes=spike_trains(session, f"feature {feature.name}"),
        frame_times_s=session.values("stimulus/frame_times") if "frame_clock" in needs else None,
        trials=_trials(session) if "trials" in needs else None,
        stas=_stas(session) if "sta" in needs else {},
        features={name: _arrays(session, name) for name in feature.needed_features},
        units=_units(session) if "units" in needs else None,
        duration_s=_duration_s(session) if "duration" in needs else None,
        movies=_movies(session) if "movies" in needs else {},
        geometry=_geometry(session) if "movies" in needs else None,
    )


def of_units(session: PipelineSession, inputs: FeatureInputs, rows: slice) -> FeatureInputs:
    """What there is of the units in these rows; movies, trials and their places are of all."""
    n_units = inputs.spikes.n_units
    if (rows.start, rows.stop) == (0, n_units):
        return inputs

    def of_feature(name: str) -> dict[str, Array]:
        return {
            what: values[rows]
            if session[f"features/{name}/{what}"].dims[:1] == ("unit",)
            else values
            for what, values in inputs.features[name].items()
        }

    return replace(
        inputs,
        spikes=inputs.spikes.rows(rows.start, rows.stop),
        stas={name: _sta_of(sta, rows) for name, sta in inputs.stas.items()},
        features={name: of_feature(name) for name in inputs.features},
        units=inputs.units
        and Units(*(getattr(inputs.units, column.name)[rows] for column in fields(Units))),
    )


def _sta_of(sta: Sta, rows: slice) -> Sta:
    return replace(
        sta,
        mean=sta.mean[rows],
        z=None if sta.z is None else sta.z[rows],
        n_spikes=sta.n_spikes[rows],
    )


def _units(session: PipelineSession) -> Units:
    return Units(*(session.values(f"units/{name}") for name in ("unit_id", "row", "column")))


def _duration_s(session: PipelineSession) -> float | None:
    path = "recording/duration_s"
    known = path in session and bool(np.isfinite(session.values(path)))
    return float(session.values(path)) if known else None


def _stas(session: PipelineSession) -> dict[str, Sta]:
    stas = {}
    for path in session.paths("sta/"):
        group, _, what = path.rpartition("/")
        if what == "sta":
            z = f"{group}/z"
            stas[group.removeprefix("sta/")] = Sta(
                mean=session[path].data,
                z=session[z].data if z in session else None,
                lags=session.values(f"{group}/lags"),
                n_spikes=session.values(f"{group}/n_spikes"),
                presentations=Presentations(
                    *(
                        session.values(f"{group}/{name}_frame")
                        for name in ("begin", "start", "stop")
                    )
                ),
            )
    return stas


def _arrays(session: PipelineSession, feature: str) -> dict[str, Array]:
    """What a feature returned; its q values are not the feature's, and may come later."""
    own = session.contributions[f"features.{feature}"].variables
    return {path.removeprefix(f"features/{feature}/"): session.values(path) for path in own}


def _trials(session: PipelineSession) -> Trials:
    def column(path: str) -> Array:
        return session.values(f"stimulus/{path}")

    return Trials(
        movie=column("trials/movie"),
        kind=column("trials/kind"),
        number=column("trials/number"),
        start_s=column("trials/start_s"),
        stop_s=column("trials/stop_s"),
        event_trial=column("events/trial"),
        event_name=column("events/name"),
        event_time_s=column("events/time_s"),
    )


def _movies(session: PipelineSession) -> dict[str, ShownMovie]:
    """Movies of the sections; none where these come from the light and have no frames."""
    if "stimulus/sections/content_start_frame" not in session:
        return {}

    def column(name: str) -> Array:
        return session.values(f"stimulus/sections/{name}")

    library = stimulus_library(session)
    shown: dict[str, ShownMovie] = {}
    for name in dict.fromkeys(column("movie").tolist()):
        rows = np.flatnonzero(column("movie") == name)
        movie = library.movie(name)
        shown[name] = ShownMovie(
            kind=str(column("kind")[rows[0]]),
            frames=partial(_frames, session, movie) if movie.frames_path is not None else None,
            begin_frame=column("content_start_frame")[rows],
            start_frame=column("shown_start_frame")[rows],
            stop_frame=column("shown_stop_frame")[rows],
        )
    return shown


def _frames(session: PipelineSession, movie: Movie) -> Array:
    return as_it_was_shown(session, movie).frames()


def _geometry(session: PipelineSession) -> Geometry | None:
    placed_by_light = "stimulus/geometry/source" not in session
    return None if placed_by_light else stored_geometry(session.values, session.paths())
