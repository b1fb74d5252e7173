"""Moving bars: windows from the movie's frames, hand-made trains, reasons, invariances."""

from __future__ import annotations

import dataclasses

import hand_trials
import numpy as np
import pytest
from hand_trials import equal_results, in_trials, joined, trains
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

import hdmea.features.bar_windows
from hdmea.errors import MissingDataError, ParameterError, StimulusError, UnknownNameError
from hdmea.features.declaration import NOT_PLAYED, check
from hdmea.features.inputs import FeatureInputs, ShownMovie
from hdmea.features.moving_bar import MOVING_BAR, MovingBarParams, moving_bar
from hdmea.kernels.spikes import SpikeTrains
from hdmea.simulate import movies
from hdmea.stimulus.geometry import Display, Geometry, PixelGrid

FRAME_S = 1 / 64
BEGIN = 640
"""Frame of the clock at which the bar's movie begins."""
EIGHT = 45.0 * np.arange(8)
COUNTS = [8, 4, 2, 1, 0, 1, 2, 4]
SIZE, SPEED, WIDTH = 15, 1 / 40, 0.2
NARROW = movies.moving_bar(
    pixels=SIZE, width=WIDTH, speed_per_frame=SPEED, direction_frames=96, pre_frames=96,
    before_frames=64, repeat=3,
)  # fmt: skip
WIDE = movies.moving_bar(
    pixels=SIZE, width=1.6, speed_per_frame=SPEED, direction_frames=192, pre_frames=96,
    before_frames=64, repeat=3,
)  # fmt: skip


def fields(n, *, x=2.0, y=2.0, sigma=0.25):
    """`dense_noise` of units with fields in noise of 5 x 5 pixels; one NaN: no field."""
    x, y = (np.broadcast_to(np.asarray(value, dtype=float), n).copy() for value in (x, y))
    return {
        "movie": np.where(np.isnan(x), "", "noise"),
        "centre_x_px": x,
        "centre_y_px": y,
        "sigma_major_px": np.full(n, sigma),
        "sigma_minor_px": np.full(n, sigma),
        "angle_deg": np.zeros(n),
    }


def trials_of(movie, begin=BEGIN, name="bar"):
    rule = movie.trials
    first = begin + rule.start_frame + rule.trial_length_frames * np.arange(rule.n_trials)
    events = {event: frame * FRAME_S for event, frame in movie.events}
    length_s = rule.trial_length_frames * FRAME_S
    return hand_trials.trials(first * FRAME_S, length_s, events, kind="moving_bar", movie=name)


def recording(spikes, movie=NARROW, *, display=None, noise=None, frames=None, **changes):
    """What the feature gets of a recording in which this bar was shown once."""
    frames = movie.frames if frames is None else frames
    n_frames = BEGIN + len(frames) + 200
    begin, length = np.array([BEGIN]), np.array([len(frames)])
    display = Display() if display is None else display
    grids = (PixelGrid.default("noise", (5, 5)), PixelGrid.default("bar", frames.shape[1:]))
    given = {
        "spikes": spikes,
        "frame_times_s": FRAME_S * np.arange(n_frames),
        "trials": trials_of(movie),
        "features": {"dense_noise": fields(spikes.n_units) if noise is None else noise},
        "movies": {"bar": ShownMovie("moving_bar", lambda: frames, begin, 0 * begin, length)},
        "geometry": Geometry(display, grids),
    }
    return FeatureInputs(**given | changes)


def compute(inputs, **params):
    params = {"n_permutations": 199} | params
    result = moving_bar(inputs, MovingBarParams(**params))
    check(MOVING_BAR, result, inputs.spikes.n_units)
    return result


def run(spikes, movie=NARROW, *, params=None, **changes):
    return compute(recording(spikes, movie, **changes), **(params or {}))


def arrival_s(movie, x=2.0, y=2.0):
    """From a trial's start to the leading edge at a noise pixel, per direction: by geometry."""
    u, v = ((value + 0.5) / 5 - 0.5 for value in (x, y))
    # edges are drawn at the middles of the bar movie's pixels
    u, v = ((np.floor((value + 0.5) * SIZE) + 0.5) / SIZE - 0.5 for value in (u, v))
    theta = np.deg2rad(EIGHT)
    along = u * np.cos(theta) - v * np.sin(theta)
    reach = 0.5 * (np.abs(np.cos(theta)) + np.abs(np.sin(theta)))
    frame = np.ceil((along + reach) / SPEED - 1e-9)
    return FRAME_S * (np.array([start for _, start in movie.events]) + frame)


def responding(counts, movie=NARROW, *, after=0.125, at_rest=(), x=2.0, y=2.0):
    """Spikes of a unit that fires so many after the edge comes, in each direction and trial."""
    arrive = arrival_s(movie, x, y)
    times = [t + after + FRAME_S / 8 * i for t, n in zip(arrive, counts, strict=True)
             for i in range(n)]  # fmt: skip
    return in_trials(trials_of(movie).start_s, *times, *at_rest)


def test_counts_and_indices_by_hand():
    values = run(trains(responding(COUNTS))).values
    assert values["mean_count"].tolist() == [COUNTS]
    assert values["n_spikes"].tolist() == [[3 * count for count in COUNTS]]
    x, y = (np.array(COUNTS) @ wave(np.deg2rad(EIGHT)) for wave in (np.cos, np.sin))
    assert x == pytest.approx(8 + 2**0.5 * 4 - 2**0.5)
    assert y == pytest.approx(0)
    assert values["dsi"] == pytest.approx([x / 22])
    assert values["dsi_raw"] == pytest.approx([x / 22])
    assert values["dsi_ref"] == pytest.approx([x / 8])
    assert values["osi"] == pytest.approx([(8 - 4) / 22])
    assert np.cos(np.deg2rad(values["preferred_direction_deg"])) == pytest.approx([1])
    assert np.cos(np.deg2rad(2 * values["preferred_orientation_deg"])) == pytest.approx([1])
    assert values["dsi_pref_null"] == pytest.approx([1])
    assert values["p_dsi"] == pytest.approx([1 / 200])
    assert values["dsi_null"][0] < 0.35
    assert values["directions_deg"].tolist() == EIGHT.tolist()
    assert values["n_trials"].tolist() == [3]
    assert values["spontaneous_hz"].tolist() == [0]
    assert values["window_source"].tolist() == ["field"]
    assert values["rate_hz"] == pytest.approx(values["mean_count"] / values["window_s"][:, None])


def test_the_window_begins_with_the_leading_edge_and_ends_after_the_trailing_one():
    for x, y in ((2.0, 2.0), (1.0, 3.0)):
        values = run(trains([]), noise=fields(1, x=x, y=y)).values
        onset = FRAME_S * np.array([frame for _, frame in NARROW.events])
        # an edge that lies just between two pixels may be drawn a frame earlier or later
        after_onset = arrival_s(NARROW, x, y) - onset
        assert values["window_start_s"][0] == pytest.approx(after_onset, abs=FRAME_S)
        # the bar is 0.2 of the side wide, and 1/40 of it a frame fast
        assert values["window_s"] == pytest.approx([8 * FRAME_S + 0.5], abs=FRAME_S)
    later = run(trains([]), params={"after_s": 0.25}).values
    assert later["window_s"] == pytest.approx([8 * FRAME_S + 0.25], abs=FRAME_S)


def test_windows_are_equally_long_also_where_the_movie_s_bar_is_not():
    frames = NARROW.frames.copy()
    first = NARROW.trials.start_frame + NARROW.events[2][1]
    passing = frames[first : first + 96]
    passing[:, :, :] = np.maximum(passing, np.roll(passing, 6, axis=0))  # 6 frames longer at 90
    narrow, result = run(trains([])), run(trains([]), frames=frames)
    longer = (result.values["window_s"] - narrow.values["window_s"]) / FRAME_S
    assert longer == pytest.approx([6])
    unit = trains(responding([5] * 8, after=0.5))
    assert run(unit, frames=frames).values["mean_count"].tolist() == [[5] * 8]


def test_a_dark_bar_on_bright_ground_has_the_same_windows():
    spikes = trains(responding(COUNTS))
    bright = run(spikes)
    for frames in (255 - NARROW.frames, (NARROW.frames * 0.3 + 20).astype(np.float32)):
        assert equal_results(bright, run(spikes, frames=frames), MOVING_BAR.outputs) == []


def test_spikes_at_rest_are_subtracted_and_the_rest_clipped_at_zero():
    # 4 spikes in the second before the first direction; the window has 0.625 s
    at_rest = 0.0625 + 0.25 * np.arange(4)
    result = run(trains(responding(COUNTS, at_rest=at_rest)))
    values = result.values
    assert values["spontaneous_hz"] == pytest.approx([4])
    expected = 4 * values["window_s"][0]
    v = np.maximum(np.array(COUNTS) - expected, 0)
    assert (v > 0).sum() == 3
    assert values["dsi"] == pytest.approx([abs(v @ np.exp(1j * np.deg2rad(EIGHT))) / v.sum()])
    raw = np.array(COUNTS) @ np.exp(1j * np.deg2rad(EIGHT))
    assert values["dsi_raw"] == pytest.approx([abs(raw) / sum(COUNTS)])
    # only half a second of it counts if it is asked for: 2 spikes, the same rate
    half = run(trains(responding(COUNTS, at_rest=at_rest)), params={"spontaneous_s": 0.5})
    assert half.values["spontaneous_hz"] == pytest.approx([4])


SLOW = movies.moving_bar(
    pixels=SIZE, width=WIDTH, speed_per_frame=SPEED, direction_frames=320, pre_frames=96,
    before_frames=64, repeat=3,
)  # fmt: skip
"""As `NARROW`, with 5 s for each direction."""


def test_rest_is_also_what_follows_a_passage():
    # the last 1.5 s before each next direction: at most 1.5 s of the first 3.5 s are the bar's
    onset = FRAME_S * np.array([frame for _, frame in SLOW.events])
    late = [t + 3.5 + 0.125 * i for t in onset for i in range(12)]
    spikes = trains(in_trials(trials_of(SLOW).start_s, *late))
    values = run(spikes, SLOW).values
    end = values["window_start_s"][0] + values["window_s"][0] + 1.0
    # the trial goes on for half a second after the time of the last direction
    rest_s = 3 * (1 + (5.0 - end).sum() + 0.5)
    assert values["spontaneous_hz"] == pytest.approx([3 * 8 * 12 / rest_s])
    assert values["mean_count"].tolist() == [[0] * 8]
    later = run(spikes, SLOW, params={"rest_after_s": 2.0}).values
    assert later["spontaneous_hz"] == pytest.approx([3 * 8 * 12 / (rest_s - 3 * 8)])
    never = run(spikes, SLOW, params={"rest_after_s": 5.0}).values
    assert never["spontaneous_hz"].tolist() == [0]
    # what comes before a window is the approaching bar's
    early = trains(in_trials(trials_of(SLOW).start_s, *(onset + 0.0625)))
    assert run(early, SLOW).values["spontaneous_hz"].tolist() == [0]


def test_trials_that_begin_with_a_direction_have_rest_between_the_passages():
    shown = trials_of(SLOW)
    late = dataclasses.replace(shown, start_s=shown.start_s + 1.0)
    result = run(trains(responding(COUNTS, SLOW)), SLOW, trials=late)
    assert result.reasons["dsi"].tolist() == [""]
    assert result.values["spontaneous_hz"].tolist() == [0]


def test_the_fitted_curve_has_the_index_of_the_counts_where_nothing_is_at_rest():
    result = run(trains(responding(COUNTS), responding([6, 0, 0, 0, 6, 0, 0, 0]), []))
    values = result.values
    assert values["dsi_fit"][:2] == pytest.approx(values["dsi"][:2], abs=1e-6)
    assert np.cos(np.deg2rad(values["preferred_direction_fit_deg"][0])) == pytest.approx(1)
    assert values["p_fit"][0] > 0.1
    assert values["p_fit"][1] < 1e-6
    for name in ("dsi_fit", "p_fit"):
        assert result.reasons[name].tolist() == ["", "", "no_response"]
    told = result.reasons["preferred_direction_fit_deg"].tolist()
    assert told == ["", "no_preference", "no_response"]


def test_few_directions_have_any_shape():
    shown = only(trials_of(NARROW), ["direction:0", "direction:180"])
    result = run(trains(responding([8, 0, 0, 0, 2, 0, 0, 0])), trials=shown)
    assert result.values["dsi_fit"] == pytest.approx([0.6], abs=1e-6)
    assert result.reasons["p_fit"].tolist() == ["too_few_directions"]


def test_a_response_is_more_spikes_than_at_rest():
    steady = in_trials(trials_of(NARROW).start_s, *(0.0625 * np.arange(13.5 * 16)))
    result = run(trains(steady, responding(COUNTS), []))
    assert result.reasons["dsi"].tolist() == ["no_response", "", "no_response"]
    for name in ("osi", "dsi_raw", "dsi_ref", "dsi_pref_null", "preferred_direction_deg"):
        assert result.reasons[name].tolist() == ["no_response", "", "no_response"]
    assert result.reasons["p_dsi"].tolist() == ["", "", "too_few_spikes"]
    assert result.values["p_response"][1] < 0.01
    assert result.values["p_response"][[0, 2]].tolist() == [1, 1]
    few = [1, 1, 0, 0, 0, 0, 0, 0]
    assert run(trains(responding(few))).reasons["dsi"].tolist() == ["no_response"]
    loose = {"alpha": 0.99, "min_spikes": 3}
    assert run(trains(responding(few)), params=loose).reasons["dsi"].tolist() == [""]
    loose["min_spikes"] = 4
    assert run(trains(responding(few)), params=loose).reasons["dsi"].tolist() == ["no_response"]


def test_one_burst_in_one_trial_is_no_response_and_the_same_spikes_in_all_are():
    arrive = trials_of(NARROW).start_s + arrival_s(NARROW)[2] + 0.125
    burst = arrive[1] + 0.004 * np.arange(12)
    spread = (arrive[:, None] + 0.004 * np.arange(4)).ravel()
    values = run(trains(burst, spread, [])).values
    assert values["n_spikes"][:2, 2].tolist() == [12, 12]
    assert values["dispersion"] == pytest.approx([12, 0, np.nan], abs=1e-9, nan_ok=True)
    assert values["p_response"][0] > 0.5
    assert values["p_response"][1] < 1e-3


def test_cells_in_bursts_that_do_not_see_the_bar_do_not_respond():
    rng = np.random.default_rng(8)
    stop = float(trials_of(NARROW).stop_s.max())

    def bursting(n):
        first = rng.uniform(0, stop, rng.poisson(1.5 * stop))
        return (first[:, None] + 0.004 * np.arange(n)).ravel()

    found = run(trains(*(bursting(n) for n in np.repeat([1, 4], 300))))
    p, dispersion = found.values["p_response"], found.values["dispersion"]
    assert np.median(dispersion[:300]) == pytest.approx(1, abs=0.15)
    assert np.median(dispersion[300:]) == pytest.approx(4, rel=0.15)
    assert (p[:300] < 0.01).sum() <= binom.ppf(0.995, 300, 0.01)
    assert (p[300:] < 0.01).sum() <= binom.ppf(0.995, 300, 0.01)


def test_where_the_vector_sum_is_zero_no_direction_is_preferred():
    result = run(trains(responding([6, 0, 0, 0, 6, 0, 0, 0])))
    assert result.values["dsi"] == pytest.approx([0], abs=1e-12)
    assert result.reasons["preferred_direction_deg"].tolist() == ["no_preference"]
    assert result.reasons["dsi_pref_null"].tolist() == ["no_preference"]
    assert np.cos(np.deg2rad(2 * result.values["preferred_orientation_deg"])) == pytest.approx([1])


def test_angles_on_the_retina_follow_the_display():
    up = np.roll(COUNTS, 2)
    display = Display(flip_y=True, rotation_deg=30, source="library")
    values = run(trains(responding(up)), display=display).values
    assert values["preferred_direction_deg"] == pytest.approx([90])
    assert values["preferred_direction_retina_deg"] == pytest.approx([300])
    assert values["preferred_orientation_retina_deg"] == pytest.approx([120])
    unknown = run(trains(responding(up), []))
    told = unknown.reasons["preferred_direction_retina_deg"].tolist()
    assert told == ["display_unknown", "no_response"]
    told = unknown.reasons["preferred_direction_chip_deg"].tolist()
    assert told == ["chip_position_unknown", "no_response"]


def test_angles_on_the_chip_follow_its_matrix():
    # up on the image is -y of the display: along x of the chip
    display = Display(
        chip_origin_um=(5.0, 7.0), chip_matrix=((0.0, -2.0), (3.0, 0.0)), source="library"
    )
    values = run(trains(responding(np.roll(COUNTS, 2)), responding(COUNTS)), display=display).values
    assert values["preferred_direction_deg"] == pytest.approx([90, 0])
    assert values["preferred_direction_chip_deg"] == pytest.approx([0, 90])
    assert values["preferred_orientation_chip_deg"] == pytest.approx([0, 90])


# -- edges -----------------------------------------------------------------------------------------


def wide_bar_unit():
    """Prefers 0 degrees with its bright edge and 90 degrees with its dark one."""
    gap = 64 * FRAME_S  # 1.6 of the side at 1/40 a frame
    on = responding(COUNTS, WIDE)
    off = responding(np.roll(COUNTS, 2), WIDE, after=0.125 + gap)
    return np.concatenate([on, off])


def test_edges_are_told_apart_where_a_wide_bar_lets_them():
    values = run(trains(wide_bar_unit()), WIDE, noise=fields(1, sigma=0.5)).values
    # the field's border is 2 SD, 0.2 of the side, from its centre: 8 frames before and after it
    assert values["edge_window_s"] == pytest.approx([0.5 + 16 * FRAME_S], abs=2.1 * FRAME_S)
    assert np.cos(np.deg2rad(values["preferred_direction_on_deg"])) == pytest.approx([1])
    assert values["preferred_direction_off_deg"] == pytest.approx([90])
    dsi = run(trains(responding(COUNTS))).values["dsi"]
    for edge in ("on", "off"):
        assert values[f"dsi_{edge}"] == pytest.approx(dsi)
        assert values[f"p_dsi_{edge}"] == pytest.approx([1 / 200])
        assert values[f"p_response_{edge}"][0] < 1e-3
    both = np.array(COUNTS) + np.roll(COUNTS, 2)
    assert values["mean_count"].tolist() == [both.tolist()]
    assert values["preferred_direction_deg"] == pytest.approx([45])
    dark = run(trains(wide_bar_unit()), WIDE, frames=255 - WIDE.frames).values
    assert dark["preferred_direction_on_deg"] == pytest.approx([90])


@pytest.mark.parametrize(
    ("movie", "changes", "reason"),
    [
        (NARROW, {}, "edges_overlap"),
        (WIDE, {"noise": fields(1, sigma=1.5)}, "edges_overlap"),  # its transit is too long
        (WIDE, {"noise": fields(1, sigma=np.nan)}, "field_size_unknown"),
        (WIDE, {"noise": fields(1, x=np.nan)}, "no_field"),
    ],
)
def test_edges_that_cannot_be_told_apart_are_undefined(movie, changes, reason):
    result = run(trains(wide_bar_unit()), movie, **changes)
    names = ["edge_window_s"]
    for edge in ("on", "off"):
        names += [f"dsi_{edge}", f"p_dsi_{edge}", f"p_response_{edge}",
                  f"preferred_direction_{edge}_deg"]  # fmt: skip
    assert {result.reasons[name][0] for name in names} == {reason}
    assert result.reasons["p_response"].tolist() == [""]


# -- no window, or another one ---------------------------------------------------------------------


@pytest.mark.parametrize(("x", "y"), [(2.0, 2.0), (1.0, 3.0), (3.5, 0.5)])
def test_without_a_field_the_windows_lie_where_a_bar_that_passes_one_place_would_be_answered(x, y):
    spikes = trains(responding([8, 1, 1, 1, 0, 1, 1, 1], x=x, y=y))
    result = run(spikes, noise=fields(1, x=np.nan))
    values = result.values
    assert values["window_source"].tolist() == ["passage"]
    assert values["window_s"].tolist() == [1]
    assert values["mean_count"].tolist() == [[8, 1, 1, 1, 0, 1, 1, 1]]
    assert values["p_dsi"][0] <= 0.02
    # also in the direction in which the unit is silent; a window begins before a direction does not
    onset = FRAME_S * np.array([frame for _, frame in NARROW.events])
    peak = arrival_s(NARROW, x, y) - onset + 0.125
    wanted = np.clip(peak - 0.5, 0, 96 * FRAME_S - 1)
    assert np.abs(values["window_start_s"][0] - wanted).max() < 0.12
    inputs = dataclasses.replace(recording(spikes), geometry=None)
    assert equal_results(result, compute(inputs), MOVING_BAR.outputs) == []


def test_without_frames_of_the_bar_the_window_lies_around_each_direction_s_peak():
    spikes = trains(responding(COUNTS))
    bar = ShownMovie("moving_bar", None, *np.array([[BEGIN], [0], [9]]))
    result = compute(dataclasses.replace(recording(spikes), movies={"bar": bar}))
    values = result.values
    assert values["window_source"].tolist() == ["psth"]
    assert values["mean_count"].tolist() == [COUNTS]
    assert values["p_dsi"] == pytest.approx([1 / 200])
    still = np.zeros_like(NARROW.frames)
    for change in (
        {"geometry": None, "movies": {}},
        {"movies": {"bar": dataclasses.replace(bar, frames=lambda: still)}, "geometry": None},
    ):
        inputs = dataclasses.replace(recording(spikes), **change)
        assert equal_results(result, compute(inputs), MOVING_BAR.outputs) == []


def test_a_peak_needs_another_trial():
    once = dataclasses.replace(
        trials_of(NARROW),
        **{f.name: getattr(trials_of(NARROW), f.name)[: 8 if "event" in f.name else 1]
           for f in dataclasses.fields(trials_of(NARROW))},
    )  # fmt: skip
    noise = fields(2, x=[np.nan, 2.0])
    result = run(trains(*[responding(COUNTS)] * 2), trials=once, noise=noise)
    for name in ("dsi", "p_dsi", "window_s", "mean_count", "p_response"):
        assert result.reasons[name].tolist() == ["too_few_trials", ""]
    assert result.values["n_trials"].tolist() == [1, 1]
    assert result.reasons["qi"].tolist() == ["too_few_trials"] * 2


def test_a_field_that_no_bar_passes_has_no_window():
    frames = NARROW.frames.copy()
    frames[:, :, 12:] = 0  # nothing moves at the right margin
    result = run(
        trains(*[responding(COUNTS)] * 3), frames=frames, noise=fields(3, x=[2.0, 4.0, 5.5])
    )
    for name in ("dsi", "osi", "p_dsi", "mean_count", "window_s", "p_response"):
        assert result.reasons[name].tolist() == ["", "not_crossed", "outside_movie"]
    assert result.values["window_source"].tolist() == ["field"] * 3
    assert result.values["n_spikes"].sum(axis=1).tolist() == [3 * sum(COUNTS), 0, 0]


def test_a_window_that_reaches_the_next_passage_or_leaves_the_trial_is_none():
    spikes = trains(responding(COUNTS))
    assert run(spikes, params={"after_s": 1.0}).reasons["dsi"].tolist() == [""]
    assert run(spikes, params={"after_s": 1.5}).reasons["dsi"].tolist() == ["window_too_long"]
    far = {"noise": fields(1, x=np.nan)}
    assert run(spikes, **far, params={"psth_window_s": 1.5}).reasons["dsi"].tolist() == [""]
    too_long = run(spikes, **far, params={"psth_window_s": 1.75})
    assert too_long.reasons["dsi"].tolist() == ["window_too_long"]


def test_without_time_before_the_first_direction_there_is_no_rest():
    shown = trials_of(NARROW)
    late = dataclasses.replace(shown, start_s=shown.start_s + 1.0)  # the first direction's onset
    result = run(trains(responding(COUNTS)), trials=late)
    for name in ("dsi", "p_dsi", "p_response", "spontaneous_hz"):
        assert result.reasons[name].tolist() == ["no_spontaneous_time"]
    assert result.values["mean_count"].tolist() == [COUNTS]


# -- other stimuli ---------------------------------------------------------------------------------


def only(shown, kept):
    """The trials with these of the events only."""
    mine = np.array([name in kept for name in shown.event_name])
    return dataclasses.replace(
        shown, **{f"event_{key}": getattr(shown, f"event_{key}")[mine]
                  for key in ("trial", "name", "time_s")}
    )  # fmt: skip


def renamed(shown, **names):
    changed = [names.get(name.removeprefix("direction:"), name) for name in shown.event_name]
    return dataclasses.replace(shown, event_name=np.array(changed))


@pytest.mark.parametrize(
    ("kept", "dsi", "osi"),
    [
        ((0, 90, 180, 270), "", ""),
        ((0, 180), "", "directions_not_balanced"),
        ((0, 45, 90), "directions_not_balanced", "directions_not_balanced"),
        ((90,), "directions_not_balanced", "directions_not_balanced"),
    ],
)
def test_indices_need_directions_whose_equal_responses_cancel(kept, dsi, osi):
    shown = only(trials_of(NARROW), [f"direction:{k}" for k in kept])
    result = run(trains(responding([8 if angle in kept else 0 for angle in EIGHT])), trials=shown)
    assert result.values["directions_deg"].tolist() == list(kept)
    assert result.values["mean_count"].shape == (1, len(kept))
    assert result.reasons["dsi"].tolist() == [dsi]
    assert result.reasons["osi"].tolist() == [osi]
    assert result.reasons["p_osi"].tolist() == [osi]
    assert result.values["p_response"][0] < 0.01


def test_a_direction_that_is_shown_twice_counts_by_its_mean_and_once_in_the_sum():
    # 180 is shown as a second 0 (360 degrees): 8 and 2 spikes
    shown = renamed(trials_of(NARROW), **{"180": "direction:360"})
    result = run(trains(responding([8, 0, 3, 0, 2, 0, 3, 0])), trials=shown)
    assert result.values["directions_deg"].tolist() == [0, 45, 90, 135, 225, 270, 315]
    assert result.values["mean_count"].tolist() == [[5, 0, 3, 0, 0, 3, 0]]


def test_trials_with_other_directions_or_none_are_refused():
    shown = trials_of(NARROW)
    spikes = trains(responding(COUNTS))
    lacking = dataclasses.replace(
        shown,
        event_trial=shown.event_trial[:-1],
        event_name=shown.event_name[:-1],
        event_time_s=shown.event_time_s[:-1],
    )
    for wrong in (lacking, only(shown, [])):
        with pytest.raises(StimulusError, match=r"every trial of movie 'bar'.*bar\.yaml"):
            run(spikes, trials=wrong)
    with pytest.raises(StimulusError, match=r"'direction:\?' names no direction"):
        run(spikes, trials=renamed(shown, **{"45": "direction:?"}))


def test_of_two_bars_one_must_be_chosen():
    spikes = trains(responding(COUNTS))
    later = trials_of(NARROW, BEGIN + 20_000, name="other")
    both = joined(trials_of(NARROW), later)
    with pytest.raises(ParameterError, match="bar, other; choose one"):
        run(spikes, trials=both)
    with pytest.raises(UnknownNameError, match="bars"):
        run(spikes, trials=both, params={"stimulus": "bars"})
    chosen = run(spikes, trials=both, params={"stimulus": "bar"})
    assert equal_results(run(spikes), chosen, MOVING_BAR.outputs) == []


def test_two_presentations_of_a_movie_are_trials_of_one_stimulus():
    spikes = responding(COUNTS)
    again_at = BEGIN + len(NARROW.frames) + 361
    shown = joined(trials_of(NARROW), trials_of(NARROW, again_at))
    twice = trains(np.concatenate([spikes, spikes + (again_at - BEGIN) * FRAME_S]))
    begin, length = np.array([BEGIN, again_at]), np.full(2, len(NARROW.frames))
    bar = ShownMovie("moving_bar", lambda: NARROW.frames, begin, 0 * length, length)
    clock = FRAME_S * np.arange(again_at + len(NARROW.frames) + 200)
    result = run(twice, trials=shown, movies={"bar": bar}, frame_times_s=clock)
    assert result.values["n_trials"].tolist() == [6]
    assert result.values["mean_count"].tolist() == [COUNTS]


def test_a_bar_that_was_not_played_is_not_applicable():
    shown = dataclasses.replace(trials_of(NARROW), kind=np.full(3, "step"))
    result = run(trains([0.5], []), trials=shown)
    assert result.reasons["dsi"].tolist() == [NOT_PLAYED] * 2


def test_what_is_missing_is_named():
    for change, word in (
        ({"trials": None}, "trials"),
        ({"frame_times_s": None}, "frame clock"),
        ({"features": {}}, "dense_noise"),
    ):
        with pytest.raises(MissingDataError, match=word):
            run(trains([]), **change)


def test_a_place_on_the_display_must_be_known_of_both_movies():
    placed = PixelGrid("bar", SIZE, SIZE, (10.0, 10.0), (0.0, 0.0), "library")
    geometry = Geometry(Display(), (PixelGrid.default("noise", (5, 5)), placed))
    with pytest.raises(StimulusError, match=r"not movie 'noise'.*display\.yaml"):
        run(trains([]), geometry=geometry)


def test_no_units_are_no_problem():
    values = run(SpikeTrains(np.empty(0), np.empty(0, dtype=np.int64))).values
    assert values["dsi"].shape == (0,)
    assert values["mean_count"].shape == (0, 8)


# -- truth -----------------------------------------------------------------------------------------


def poisson_cells(rng, n, expected, movie, rest_hz, length_s=0.4):
    """Poisson units with so many spikes in `length_s` after the edge comes, per direction."""
    shown = trials_of(movie)
    arrive = (shown.start_s[:, None] + arrival_s(movie)).ravel()
    end = shown.stop_s[-1]
    units = []
    for row in np.broadcast_to(expected, (n, 8)):
        counts = rng.poisson(np.tile(row, len(shown.start_s)))
        units.append(
            np.concatenate([
                rng.uniform(0, end, rng.poisson(rest_hz * end)),
                *(t + rng.uniform(0.05, length_s, k) for t, k in zip(arrive, counts, strict=True)),
            ])
        )  # fmt: skip
    return trains(*units)


def test_tuned_poisson_cells_are_found_with_their_direction_and_index():
    rng = np.random.default_rng(4)
    preferred = rng.uniform(0, 360, 40)
    expected = 15 * np.exp(1.5 * (np.cos(np.deg2rad(EIGHT - preferred[:, None])) - 1))
    values = run(poisson_cells(rng, 40, expected, NARROW, 5.0)).values
    error = np.mod(values["preferred_direction_deg"] - preferred + 180, 360) - 180
    assert np.abs(error).max() < 25
    assert np.median(np.abs(error)) < 7
    true = np.abs(expected @ np.exp(1j * np.deg2rad(EIGHT))) / expected.sum(axis=1)
    assert np.median(values["dsi"]) == pytest.approx(np.median(true), abs=0.05)
    assert (values["p_dsi"] == 1 / 200).mean() > 0.9
    error = np.mod(values["preferred_direction_fit_deg"] - preferred + 180, 360) - 180
    assert np.median(np.abs(error)) < 7
    assert np.median(values["dsi_fit"]) == pytest.approx(np.median(true), abs=0.05)
    assert (values["p_fit"] < 0.05).mean() < 0.2


def test_untuned_poisson_cells_are_not_tuned():
    rng = np.random.default_rng(6)
    field = run(poisson_cells(rng, 300, 4.0, NARROW, 5.0))
    psth = run(poisson_cells(rng, 300, 4.0, NARROW, 5.0), noise=fields(300, x=np.nan))
    for result in (field, psth):
        p = result.values["p_dsi"]
        assert np.count_nonzero(p <= 0.05) <= 27  # 99.9 % of 300 binomial draws
        assert np.count_nonzero(p <= 0.5) == pytest.approx(150, abs=30)
        dsi, null = result.values["dsi"], result.values["dsi_null"]
        assert np.nanmedian(dsi) == pytest.approx(np.median(null), abs=0.06)


def test_a_window_of_nine_seconds_hides_a_clear_cell():
    slow = movies.moving_bar(
        pixels=SIZE, width=WIDTH, speed_per_frame=SPEED, direction_frames=576, pre_frames=96,
        before_frames=64, repeat=3,
    )  # fmt: skip
    rng = np.random.default_rng(2)
    expected = np.exp(1.55 * np.cos(np.deg2rad(EIGHT)))
    expected *= 55 / expected.sum()
    true = (expected @ np.cos(np.deg2rad(EIGHT))) / expected.sum()
    assert true == pytest.approx(0.6, abs=0.01)
    spikes = poisson_cells(rng, 40, expected, slow, 5.0)
    windowed = run(spikes, slow).values
    whole = {"noise": fields(40, x=np.nan), "params": {"psth_window_s": 9.0}}
    hidden = run(spikes, slow, **whole).values
    counts = hidden["mean_count"]
    seems = np.abs(counts @ np.exp(1j * np.deg2rad(EIGHT))) / counts.sum(axis=1)
    assert np.median(windowed["dsi"]) == pytest.approx(0.6, abs=0.05)
    assert np.median(seems) == pytest.approx(0.08, abs=0.02)
    assert (windowed["p_dsi"] == 1 / 200).all()


# -- invariances -----------------------------------------------------------------------------------

SPIKES = trains(
    responding(COUNTS, at_rest=[0.25]),
    responding(np.roll(COUNTS, 3)),
    [],
    in_trials(trials_of(NARROW).start_s, *(0.25 * np.arange(52))),
    responding([3] * 8),
)
NOISE = fields(5, x=[2.0, np.nan, 2.0, 1.0, 9.0])
PLAIN = run(SPIKES, noise=NOISE)
EXACT = [output for output in MOVING_BAR.outputs if output.dims[0] == "unit"]


def taken(rows):
    rows = list(rows)
    noise = {key: column[rows] for key, column in NOISE.items()}
    return run(trains(*(SPIKES.of(row) for row in rows)), noise=noise)


@given(st.permutations(range(5)))
@settings(max_examples=10, deadline=None)
def test_units_do_not_depend_on_their_order(order):
    changed = dataclasses.replace(
        PLAIN,
        values={k: v[list(order)] if len(v) == 5 else v for k, v in PLAIN.values.items()},
        reasons={k: v[list(order)] for k, v in PLAIN.reasons.items()},
    )
    assert equal_results(changed, taken(order), EXACT) == []


@given(st.sets(st.integers(0, 4), min_size=1))
@settings(max_examples=10, deadline=None)
def test_units_do_not_depend_on_who_else_is_there(rows):
    rows = sorted(rows)
    assert equal_results(taken(rows), PLAIN, EXACT, rows) == []


def test_blocks_of_units_make_no_difference(monkeypatch):
    monkeypatch.setattr(hdmea.features.bar_windows, "_UNITS", 2)
    assert equal_results(PLAIN, run(SPIKES, noise=NOISE), MOVING_BAR.outputs) == []


@given(st.integers(1, 2**16))
@settings(max_examples=10, deadline=None)
def test_a_later_recording_gives_the_same(ticks):
    shift = ticks / 64
    inputs = recording(SPIKES, noise=NOISE)
    assert inputs.trials is not None
    shown = dataclasses.replace(
        inputs.trials,
        start_s=inputs.trials.start_s + shift,
        stop_s=inputs.trials.stop_s + shift,
        event_time_s=inputs.trials.event_time_s + shift,
    )
    later = dataclasses.replace(
        inputs,
        spikes=SpikeTrains(SPIKES.times_s + shift, SPIKES.index),
        trials=shown,
        frame_times_s=inputs.frame_times_s + shift,
    )
    result = compute(later)
    # where a window lies around a peak, its start is rounded to what times that large can be
    assert set(equal_results(PLAIN, result, MOVING_BAR.outputs)) <= {"window_start_s"}
    np.testing.assert_allclose(
        result.values["window_start_s"], PLAIN.values["window_start_s"], rtol=0, atol=1e-12
    )


def test_a_seed_gives_the_same_permutations_and_another_one_others():
    again = run(SPIKES, noise=NOISE)
    assert equal_results(PLAIN, again, MOVING_BAR.outputs) == []
    other = run(SPIKES, noise=NOISE, params={"seed": 1})
    assert "dsi_null" in equal_results(PLAIN, other, MOVING_BAR.outputs)
    assert "dsi" not in equal_results(PLAIN, other, MOVING_BAR.outputs)
