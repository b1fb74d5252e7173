"""Segments of temporal stimuli: their names, their cycles, and trials whose events are wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdmea.errors import StimulusError
from hdmea.stimulus.segments import Segment, ShownSegment, pair_events, read_start, shown_segments

START, STOP = "segment_start:2hz", "segment_stop"


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        ("segment_start:0.5hz", Segment("sine", 0.5, 0.5)),
        ("sweep_start:0.5-8hz", Segment("sweep", 0.5, 8)),
        ("sweep_start:8-0.5hz:log", Segment("sweep", 8, 0.5, logarithmic=True)),
        ("ramp_start:2hz", Segment("ramp", 2, 2, 0, 1)),
        ("ramp_start:0.4hz:1-0.1", Segment("ramp", 0.4, 0.4, 1, 0.1)),
    ],
)
def test_names_say_what_the_light_does(name: str, segment: Segment) -> None:
    assert read_start(name) == segment


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("segment_start:?hz", "segment_start:<hz>hz, found 'segment_start:\\?hz'"),
        ("segment_start:0hz", "segment_start:<hz>hz"),
        ("segment_start:-2hz", "segment_start:<hz>hz"),
        ("segment_start", "segment_start:<hz>hz"),
        ("sweep_start:8hz", "sweep_start:<hz>-<hz>hz"),
        ("sweep_start:2-2hz", "two frequencies above 0 that differ"),
        ("sweep_start:0-8hz", "two frequencies above 0 that differ"),
        ("sweep_start:1-8hz:lin", "sweep_start:<hz>-<hz>hz"),
        ("ramp_start:2hz:0-1.5", "contrasts from 0 to 1 that differ"),
        ("ramp_start:2hz:1-1", "contrasts from 0 to 1 that differ"),
        ("light_on:bright", "light_on"),
    ],
)
def test_names_that_cannot_be_understood_say_what_is_needed(name: str, wanted: str) -> None:
    with pytest.raises(StimulusError, match=wanted):
        read_start(name)


def test_other_events_are_none_of_its_business() -> None:
    assert read_start("direction:45") is None
    [(segment, *_)] = pair_events([("marker", 3), ("light_on", 1), ("light_off", 2)])
    assert segment.kind == "light"


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([(START, 1)], "one segment_stop for each segment_start, found none after"),
        ([(STOP, 1)], "one segment_start before each segment_stop"),
        ([(START, 2), (STOP, 1)], "one segment_start before each segment_stop"),
        ([(START, 1), (STOP, 1)], "one segment_start before each segment_stop"),
        ([(START, 1), ("sweep_stop", 2)], "one sweep_start before each sweep_stop"),
        ([(START, 1), ("segment_start:4hz", 2), (STOP, 3)], "segment_start:4hz comes before it"),
        ([("light_on", 1), (START, 2)], "one light_off for each light_on"),
    ],
)
def test_events_without_their_partner_are_named(events: list[tuple[str, int]], said: str) -> None:
    with pytest.raises(StimulusError, match=said):
        pair_events(events)


def test_one_segment_may_begin_where_another_ends() -> None:
    found = pair_events([("segment_start:4hz", 20), (STOP, 30), (STOP, 20), (START, 10)])
    assert [(one.first_hz, *times) for one, *times in found] == [(2, 10, 20), (4, 20, 30)]


frequencies = st.floats(0.1, 20)


@given(first=frequencies, last=frequencies, log=st.booleans(), part=st.floats(0, 1))
def test_cycles_are_the_integral_of_the_frequency(
    first: float, last: float, log: bool, part: float
) -> None:
    last += 0.01 * (first == last)
    segment = Segment("sweep", first, last, logarithmic=log and abs(last / first - 1) > 1e-6)
    nodes, weights = np.polynomial.legendre.leggauss(20)  # exact for what is so smooth
    area = part / 2 * (weights * segment.frequency_hz(part / 2 * (nodes + 1))).sum()
    cycles = segment.cycles(np.array(part))
    assert cycles * segment.mean_hz == pytest.approx(area, abs=1e-9)
    assert segment.part_at(cycles) == pytest.approx(part, abs=1e-7)


@pytest.mark.parametrize(
    ("hz", "length_s", "n_cycles"),
    [(10, 4.004, 40), (10, 3.996, 40), (2, 4 + 5e-5, 8), (7, 26 / 60, 7 * 26 / 60), (2, 0.75, 1.5)],
)
def test_cycles_are_whole_where_only_the_clock_says_otherwise(
    hz: float, length_s: float, n_cycles: float
) -> None:
    one = ShownSegment(Segment("sine", hz, hz), np.array([3.0]), np.array([3.0 + length_s]))
    assert one.n_cycles == pytest.approx(n_cycles, rel=1e-12)


def test_a_slow_display_shows_the_same_cycles_more_slowly() -> None:
    one = ShownSegment(Segment("sine", 10, 10), np.array([1.0]), np.array([1 + 4.004]))
    cycles, hz = one.clock()(np.zeros(2, dtype=int), np.array([1.0, 1 + 2.002]))
    assert cycles == pytest.approx([0, 20], abs=1e-9)
    assert hz == pytest.approx([40 / 4.004] * 2)


def shown(*trials: list[tuple[str, float]]) -> list[ShownSegment]:
    rows = np.repeat(np.arange(len(trials)), [len(one) for one in trials])
    names = [name for one in trials for name, _ in one]
    return shown_segments(
        "m", len(trials), rows, names, np.array([t for e in trials for _, t in e])
    )


def test_segments_have_a_time_in_every_trial() -> None:
    [light, sine] = shown(
        [(START, 3), (STOP, 5), ("light_on", 1), ("light_off", 2)],
        [("light_on", 11), ("light_off", 12), (START, 13), (STOP, 15)],
    )
    assert (light.segment.kind, sine.segment.kind) == ("light", "sine")
    assert (light.start_s.tolist(), light.stop_s.tolist()) == ([1, 11], [2, 12])
    assert sine.start_s.tolist() == [3, 13]


def test_trials_that_differ_are_an_error_that_says_where() -> None:
    good = [(START, 1.0), (STOP, 3.0)]
    with pytest.raises(StimulusError, match=r"trial 1.*segment_stop for each.*m\.yaml"):
        shown(good, good[:1])
    with pytest.raises(
        StimulusError, match="trial 2 has other segments than trial 0: sine 4; sine 2"
    ):
        shown(good, good, [("segment_start:4hz", 1.0), (STOP, 3.0)])
    with pytest.raises(StimulusError, match="other segments than trial 0: none; sine 2"):
        shown(good, [])
    with pytest.raises(
        StimulusError, match=r"lasts 2\.000 s in most trials, and 1\.700 s in trial 2"
    ):
        shown(good, good, [(START, 1.0), (STOP, 2.7)])


def test_segments_of_light_are_the_same_whatever_their_nan_is() -> None:
    one, other = (Segment("light", float("nan"), float("nan")) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one != Segment("sine", 2.0, 2.0)
    assert one != "light"
