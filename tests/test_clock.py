"""From pulses to frame times: the one-shot reference rule is the oracle."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError
from scipy.signal import find_peaks

from hdmea.errors import StimulusError
from hdmea.stimulus import pulses
from hdmea.stimulus.clock import frame_clock, given_clock
from hdmea.stimulus.clock_params import FrameClockParams
from hdmea.stimulus.photodiode import block_means
from hdmea.stimulus.pulses import detect_pulses


def one_shot(row, height):
    x = row.astype(float)
    percentile = np.percentile(x, 99.9) if x.size else 0.0
    if percentile > 0:
        x = x / percentile
    return find_peaks(np.diff(x), height=height)[0] if x.size > 1 else np.empty(0, int)


def cut(row, sizes):
    blocks, at = [], 0
    for size in sizes:
        blocks.append(row[at : at + size])
        at += size
    return [*blocks, row[at:]]


@settings(max_examples=300, deadline=None)
@given(
    # Few levels, so that plateaus, also long ones across several blocks, are frequent.
    row=arrays(np.int32, st.integers(0, 60), elements=st.integers(-3, 3)),
    sizes=st.lists(st.integers(0, 9), max_size=20),
    height=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_pulses_equal_the_one_shot_rule_for_any_blocks(row, sizes, height):
    found = detect_pulses(lambda: iter(cut(row, sizes)), height)
    assert found.dtype == np.int64
    assert found.tolist() == one_shot(row, height).tolist()


@pytest.mark.parametrize("kept", [3, 100, 1 << 20])
def test_pulses_equal_the_one_shot_rule_on_a_long_noisy_row(monkeypatch, kept):
    # 3: the row turns out longer than the values kept, and is read once more.
    monkeypatch.setattr(pulses, "_TOP_VALUES", kept)
    rng = np.random.default_rng(3)
    row = rng.normal(0, 300, 50_000)
    row[400::333] += rng.uniform(500, 20_000, row[400::333].size)
    expected = one_shot(row, 0.1)
    assert 100 < expected.size < 20_000
    for size in (997, 50_000):
        found = detect_pulses(lambda size=size: cut(row, [size] * (row.size // size)))
        assert found.tolist() == expected.tolist()


def test_the_percentile_is_numpys_to_the_last_bit(monkeypatch):
    monkeypatch.setattr(pulses, "_TOP_VALUES", 7)
    rng = np.random.default_rng(4)
    for n in (1, 2, 10, 1000, 1001, 1999, 12_345):
        row = rng.uniform(1, 2, n)
        assert pulses._upper_percentile(lambda row=row: np.array_split(row, 5)) == np.percentile(
            row, 99.9
        )


def test_a_row_with_values_that_are_not_finite_is_refused():
    with pytest.raises(StimulusError, match="not finite"):
        detect_pulses(lambda: [np.array([0.0, np.nan, 1.0])])


def clock_of(pulses, **params):
    return frame_clock(np.asarray(pulses) / 1000, FrameClockParams(drop_first=0, **params))


def settings_in(error):
    """The settings that a message tells to type."""
    return [
        yaml.safe_load(text) for text in re.findall(r"frame_clock: ({[^}]*})", str(error.value))
    ]


MISSED = [*range(0, 600, 10), *range(610, 1000, 10)]
"""A pulse every 10 ms, but for the one at 600."""


def test_frame_0_is_the_fifth_pulse():
    found = frame_clock(2 + np.arange(100, 1000, 100) / 20_000, FrameClockParams())
    assert found.times_s == pytest.approx([2.025, 2.03, 2.035, 2.04, 2.045])
    assert (found.n_pulses, found.n_dropped, found.irregular.frame.size) == (9, 4, 0)
    assert found.median_interval_s == pytest.approx(0.005)


def test_the_display_delay_moves_every_frame():
    late = FrameClockParams(drop_first=0, display_delay_s=0.5)
    assert frame_clock([0, 1, 2], late).times_s.tolist() == [0.5, 1.5, 2.5]
    assert given_clock([0, 1, 2], 0.5).times_s.tolist() == [0.5, 1.5, 2.5]


def test_held_frames_count_as_they_are():
    found = clock_of(MISSED, irregular="held")
    assert found.times_s.tolist() == [pulse / 1000 for pulse in MISSED]
    assert found.irregular.frame.tolist() == [59]
    assert found.irregular.start_s.tolist() == [0.59]
    assert found.irregular.n_frames.tolist() == [2]
    assert (found.irregular.verdict, found.irregular.decided_by) == (("held",), ("parameter",))


def test_missed_pulses_become_frames():
    pulses = [*range(0, 300, 10), *range(330, 600, 10), *range(610, 1000, 10)]
    found = clock_of(pulses, irregular="missed")
    assert found.times_s == pytest.approx(np.arange(100) / 100, abs=1e-12)
    assert found.times_s[[29, 33, 61]].tolist() == [0.29, 0.33, 0.61]  # pulses to the bit
    # frames, not pulses, are counted
    assert found.irregular.frame.tolist() == [29, 59]
    assert found.irregular.n_frames.tolist() == [4, 2]
    assert found.n_pulses == len(pulses)


def test_without_photodiode_nothing_is_decided():
    found = clock_of(MISSED)
    assert (found.irregular.verdict, found.irregular.decided_by) == (("undecided",), ("",))
    assert found.times_s.size == len(MISSED)


def test_single_intervals_are_named_and_the_rest_is_decided_otherwise():
    pulses = [*range(0, 300, 10), *range(330, 600, 10), *range(610, 1000, 10)]
    found = clock_of(pulses, irregular="held", missed_at_s=(0.595,))
    assert found.irregular.verdict == ("held", "missed")
    assert found.irregular.frame.tolist() == [29, 56]
    assert found.times_s.size == len(pulses) + 1


def test_an_irregular_interval_stops_where_that_is_wanted_and_shows_where():
    with pytest.raises(StimulusError) as caught:
        clock_of(MISSED, irregular="error")
    message = str(caught.value)
    assert "1 of 98 intervals" in message
    assert "frame 59 at 0.590 s: 2.00 medians" in message
    held, missed, _ = settings_in(caught)
    for setting, size in ((held, 99), (missed, 100)):
        found = clock_of(MISSED, irregular="error", **setting)
        assert found.times_s.size == size
        assert found.irregular.decided_by == ("parameter",)


def test_settings_keep_what_was_named_before():
    pulses = [*range(0, 300, 10), *range(330, 600, 10), *range(610, 1000, 10)]
    with pytest.raises(StimulusError) as caught:
        clock_of(pulses, irregular="error", held_at_s=(0.3,))
    held, missed, _ = settings_in(caught)
    assert held == {"held_at_s": [0.3, pytest.approx(0.6, abs=0.01)]}
    both = clock_of(pulses, irregular="error", held_at_s=(0.3,), **missed)
    assert both.irregular.verdict == ("held", "missed")


def test_at_most_five_are_listed():
    pulses = [p for p in range(0, 10_000, 10) if p % 1000 != 500]
    with pytest.raises(StimulusError, match=r"4\.490 s: 2\.00 medians; and 5 more"):
        clock_of(pulses, irregular="error")


def test_a_pulse_too_many_is_an_error_until_it_is_accepted():
    pulses = sorted([*range(0, 1000, 10), 503])
    with pytest.raises(StimulusError, match=r"frame 50 at 0\.500 s: 0\.30 medians") as caught:
        clock_of(pulses)
    assert "higher frame_clock: {height: ...} (now 0.1)" in str(caught.value)
    found = clock_of(pulses, **settings_in(caught)[-1])
    assert (found.irregular.verdict, found.irregular.decided_by) == (("short",), ("parameter",))
    assert found.irregular.n_frames.tolist() == [0]
    assert found.times_s.size == len(pulses)
    with pytest.raises(StimulusError, match="a pulse too many, none too few"):
        clock_of(pulses, missed_at_s=(0.5015,))
    with pytest.raises(StimulusError, match="pulses too many"):
        clock_of(pulses, irregular="missed")


def test_very_many_irregular_intervals_are_no_frame_clock():
    pulses = np.cumsum(np.random.default_rng(0).exponential(10, 500) + 1)
    with pytest.raises(StimulusError, match="probably not the frame pulses") as caught:
        frame_clock(pulses, FrameClockParams(), remedies=lambda: "Look elsewhere.")
    assert "Look elsewhere." in str(caught.value)
    assert "and " in str(caught.value)
    assert settings_in(caught) == [{"irregular": "held"}, {"irregular": "missed"}]
    assert frame_clock(pulses, FrameClockParams(irregular="held")).times_s.size == 496


def test_a_time_that_lies_in_no_irregular_interval_is_an_error_that_lists_them():
    for time in (-1.0, 0.5, 0.585, 50.0):
        with pytest.raises(StimulusError, match=r"frame 59 at 0\.590 s: 2\.00 medians"):
            clock_of(MISSED, held_at_s=(time,))
    with pytest.raises(StimulusError, match="these are: none"):
        clock_of(range(0, 100, 10), missed_at_s=(0.05,))
    with pytest.raises(StimulusError, match="both name frame 59"):
        clock_of(MISSED, held_at_s=(0.6,), missed_at_s=(0.605,))


def test_intervals_of_half_and_one_and_a_half_medians_are_regular():
    found = clock_of(np.cumsum([0, 100, 100, 50, 150, 100]))
    assert found.irregular.frame.size == 0


@pytest.mark.parametrize("pulses", [[], [1, 2, 3, 4, 5]])
def test_a_clock_without_frames_is_an_error(pulses):
    with pytest.raises(StimulusError, match=f"{len(pulses)} pulses") as caught:
        frame_clock(pulses, FrameClockParams(), remedies=lambda: "Look elsewhere.")
    assert str(caught.value).endswith("Look elsewhere.")


def test_pulses_at_the_same_time_are_an_error():
    with pytest.raises(StimulusError, match=r"a pulse at 0\.02.* next one at 0\.02"):
        clock_of([0, 10, 20, 20, 30])


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([1.0], "at least two"),
        ([[1.0, 2.0]], "at least two"),
        ([1.0, np.nan, 3.0], "frame time 2 is nan"),
        ([1.0, 2.0, 2.0], "frame time 3 is 2.0 s, not after the one before it, 2.0 s"),
        ([1.0, 2.0, 1.5], "frame time 3 is 1.5 s"),
    ],
)
def test_given_times_must_be_frame_times(times, message):
    with pytest.raises(StimulusError, match=message):
        given_clock(times)


@pytest.mark.parametrize(
    "wrong", [{"hight": 0.1}, {"height": np.inf}, {"height": np.nan}, {"display_delay_s": np.nan}]
)
def test_settings_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(ValidationError):
        FrameClockParams(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"csv": "a.csv"}, "csv is for source: csv, but source is analog; set source: csv"),
        ({"source": "csv"}, "source: csv needs csv"),
        ({"source": "array"}, "source: array needs times_s"),
        ({"event_id": 2}, "event_id is for source: digital, but source is analog"),
        ({"source": "digital", "row": 2}, "set source: analog, or leave row out"),
        ({"source": "none", "height": 0.2}, "height is for source: analog"),
        (
            {"source": "csv", "csv": "a", "drop_first": 0},
            "drop_first is for source: analog or digital, but source is csv",
        ),
        ({"source": "array", "times_s": (1, 2), "held_at_s": (1,)}, "held_at_s is for source"),
        ({"source": "array", "times_s": (1.0, np.inf)}, "finite"),
    ],
)
def test_parameters_that_do_not_apply_are_refused(wrong, message):
    with pytest.raises(ValidationError, match=message):
        FrameClockParams(**wrong)


def test_what_is_said_by_default_values_is_accepted_for_any_source():
    everything = FrameClockParams().model_dump()
    assert FrameClockParams(**{**everything, "source": "digital"}).source == "digital"


def test_arrays_and_paths_are_taken_as_they_are():
    taken = FrameClockParams(source="array", times_s=np.array([0.5, 1.0]))
    assert taken.times_s == (0.5, 1.0)
    assert FrameClockParams(source="csv", csv=Path("a") / "b.csv").csv == "a/b.csv"


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(0, 50), max_size=20), rate=st.sampled_from([500.0, 4000, 4321]))
def test_block_means_do_not_depend_on_the_blocks(sizes, rate):
    row = np.random.default_rng(1).integers(-(10**7), 10**7, 203, dtype=np.int32)
    means, got = block_means(cut(row, sizes), row.size, rate)
    k = {500.0: 1, 4000: 4, 4321: 4}[rate]
    assert Fraction(got) == Fraction(rate) / k
    expected = [np.float32(row[i : i + k].mean()) for i in range(0, row.size - k + 1, k)]
    assert means.dtype == np.float32
    assert means.tolist() == [float(x) for x in expected]


@pytest.mark.parametrize("announced", [9, 11])
def test_block_means_refuse_another_number_of_samples(announced):
    with pytest.raises(StimulusError, match=str(announced)):
        block_means([np.zeros(5), np.zeros(5)], announced, 1000.0)
