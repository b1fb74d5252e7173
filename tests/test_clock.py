"""From pulses to frame times: the one-shot reference rule is the oracle."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError
from scipy.signal import find_peaks

from hdmea.errors import StimulusError
from hdmea.stimulus import clock
from hdmea.stimulus.clock import FrameClockParams, block_means, detect_pulses, frame_clock


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
    monkeypatch.setattr(clock, "_TOP_VALUES", kept)
    rng = np.random.default_rng(3)
    row = rng.normal(0, 300, 50_000)
    row[400::333] += rng.uniform(500, 20_000, row[400::333].size)
    expected = one_shot(row, 0.1)
    assert 100 < expected.size < 20_000
    for size in (997, 50_000):
        found = detect_pulses(lambda size=size: cut(row, [size] * (row.size // size)))
        assert found.tolist() == expected.tolist()


def test_the_percentile_is_numpys_to_the_last_bit(monkeypatch):
    monkeypatch.setattr(clock, "_TOP_VALUES", 7)
    rng = np.random.default_rng(4)
    for n in (1, 2, 10, 1000, 1001, 1999, 12_345):
        row = rng.uniform(1, 2, n)
        assert clock._upper_percentile(lambda row=row: np.array_split(row, 5)) == np.percentile(
            row, 99.9
        )


def test_a_row_with_values_that_are_not_finite_is_refused():
    with pytest.raises(StimulusError, match="not finite"):
        detect_pulses(lambda: [np.array([0.0, np.nan, 1.0])])


def test_frame_0_is_the_fifth_pulse():
    found = frame_clock(np.arange(100, 1000, 100), 20_000.0, 2.0, FrameClockParams())
    assert found.times_s == pytest.approx([2.025, 2.03, 2.035, 2.04, 2.045])
    assert (found.n_pulses, found.n_dropped, found.irregular.size) == (9, 4, 0)
    assert found.median_interval_s == pytest.approx(0.005)


def test_the_display_delay_moves_every_frame():
    late = FrameClockParams(drop_first=0, display_delay_s=0.5)
    assert frame_clock([0, 10, 20], 10.0, 0.0, late).times_s.tolist() == [0.5, 1.5, 2.5]


def test_an_irregular_interval_stops_and_shows_where():
    pulses = np.r_[np.arange(0, 1000, 100), np.arange(1100, 1500, 100)]  # 1000 is missing
    with pytest.raises(StimulusError) as caught:
        frame_clock(pulses, 1000.0, 0.0, FrameClockParams())
    message = str(caught.value)
    assert "1 of 9 intervals" in message
    assert "frame 5 at 0.900 s: 2.00 medians" in message
    assert "frame_clock: {irregular: keep}" in message


def test_keep_counts_the_frames_as_they_are_and_says_which():
    pulses = [0, 100, 200, 400, 500, 540, 640]
    keep = FrameClockParams(drop_first=0, irregular="keep")
    found = frame_clock(pulses, 100.0, 0.0, keep)
    assert found.irregular.tolist() == [2, 4]
    assert found.times_s.tolist() == [0.0, 1.0, 2.0, 4.0, 5.0, 5.4, 6.4]


def test_intervals_of_half_and_one_and_a_half_medians_are_regular():
    pulses = np.cumsum([0, 100, 100, 50, 150, 100])
    found = frame_clock(pulses, 100.0, 0.0, FrameClockParams(drop_first=0))
    assert found.irregular.size == 0


@pytest.mark.parametrize("pulses", [[], [1, 2, 3, 4, 5]])
def test_a_clock_without_frames_is_an_error(pulses):
    with pytest.raises(StimulusError, match=f"{len(pulses)} pulses"):
        frame_clock(pulses, 20_000.0, 0.0, FrameClockParams())


@pytest.mark.parametrize(
    "wrong", [{"hight": 0.1}, {"height": np.inf}, {"height": np.nan}, {"display_delay_s": np.nan}]
)
def test_settings_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(ValidationError):
        FrameClockParams(**wrong)


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
