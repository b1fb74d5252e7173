"""The retina that docs/truth.md judges by, how claims are judged, and the page itself."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from scipy.special import i0, i1
from truth import operating_point as point
from truth import retina
from truth.claim import Claim, Measure, Sample, pooled
from truth.claims import CLAIMS
from truth.page import CELLS, FOLDER, PAGE, rendered, stored
from truth.population import at_operating_point, make_population
from truth.recordings import Show
from truth.samples import SAMPLES


@pytest.fixture(scope="module")
def cells() -> dict[str, np.ndarray]:
    return make_population(24, 3)


# -- claims ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "holds", "bound"),
    [
        (Measure("x", 0.5, 3, most=0.5), True, "≤ 0.500"),
        (Measure("x", 0.5, 3, least=0.6), False, "≥ 0.600"),
        (Measure("x", -0.04, 3, least=-0.03, most=0.03), False, "-0.030 to 0.030"),
        (Measure("x", np.nan, 3, most=0.5), False, "≤ 0.500"),
        (Measure("x", 0.5, 0, most=0.5), False, "≤ 0.500"),
    ],
)
def test_a_measure_holds_within_its_bounds_only(one: Measure, holds: bool, bound: str) -> None:
    assert (one.holds, one.bound) == (holds, bound)


def test_seeds_are_joined_cell_by_cell(cells: dict[str, np.ndarray]) -> None:
    one = {"long": Sample(cells, {"dsi": np.arange(24.0)})}
    both = pooled([one, one])["long"]
    assert both.cells["kind"].size == 48
    assert both.found["dsi"].tolist() == [*range(24), *range(24)]


# -- the retina ------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_cells_at_the_operating_point(
    cells: dict[str, np.ndarray],
) -> None:
    assert at_operating_point(cells).all()
    assert not at_operating_point({**cells, "noise_hz": cells["noise_hz"] * 20}).any()
    again, other = make_population(24, 3), make_population(24, 4)
    for name, values in cells.items():
        np.testing.assert_array_equal(values, again[name])
    assert not np.array_equal(cells["gain_hz"], other["gain_hz"])
    assert {str(kind): int((cells["kind"] == kind).sum()) for kind in point.MIXTURE} == {
        "on": 6, "off": 6, "on_off": 4, "balanced": 2, "selective": 6,
    }  # fmt: skip


def test_fields_have_the_centre_and_the_size_that_are_said(cells: dict[str, np.ndarray]) -> None:
    alone = {**cells, "surround_weight": np.zeros(24)}
    maps = retina.fields(alone, 60)
    inside = maps.sum(axis=(1, 2))
    assert (inside > 0.94).all()
    assert (inside < 1).all()
    narrow = {**alone, "sigma_major_px": np.full(24, 1.2), "sigma_minor_px": np.full(24, 0.8)}
    narrow |= {name: 6 + np.linspace(0, 2, 24) for name in ("centre_x_px", "centre_y_px")}
    narrow |= {"sigma_px": np.full(24, np.sqrt(0.96)), "angle_deg": np.full(24, 90.0)}
    maps = retina.fields(narrow, 60)
    at = (np.arange(60) + 0.5) / 4 - 0.5
    across, down = maps.sum(axis=1), maps.sum(axis=2)
    np.testing.assert_allclose(across @ at, narrow["centre_x_px"], atol=1e-3)
    np.testing.assert_allclose(down @ at, narrow["centre_y_px"], atol=1e-3)
    for course, centre, sigma in ((across, "centre_x_px", 0.8), (down, "centre_y_px", 1.2)):
        spread = (course * (at - narrow[centre][:, None]) ** 2).sum(axis=1)
        # as wide as the Gaussian and its pixel together
        np.testing.assert_allclose(spread, sigma**2 + 0.25**2 / 12, rtol=0.01)


def test_filters_peak_when_and_dip_as_much_as_is_said(cells: dict[str, np.ndarray]) -> None:
    filters = retina.temporal_filters(cells)
    assert np.abs(filters.argmax(axis=1) - cells["peak_frames"]).max() <= 0.6
    dip = -filters.min(axis=1) / filters.max(axis=1)
    np.testing.assert_allclose(dip, cells["trough"], atol=0.03)
    np.testing.assert_allclose(np.cumsum(filters, axis=1).max(axis=1), 1)


def test_rates_rest_without_light_and_follow_the_sides(cells: dict[str, np.ndarray]) -> None:
    still = retina.rates(cells, np.zeros((24, 3)), np.full(3, np.nan))
    np.testing.assert_allclose(still, np.repeat(cells["rest_hz"][:, None], 3, axis=1))
    bright, dark = retina.rates(cells, np.tile([0.5, -0.5], (24, 1)), np.full(2, np.nan)).T
    kinds = cells["kind"]
    assert (bright > 20)[kinds == "on"].all()
    assert (dark < 1)[kinds == "on"].all()
    assert (dark > 20)[kinds == "off"].all()
    np.testing.assert_allclose(bright[kinds == "balanced"], dark[kinds == "balanced"])


def test_a_bar_the_wrong_way_gives_less_to_selective_cells_only(
    cells: dict[str, np.ndarray],
) -> None:
    drive = np.where(cells["weight_on"] > 0.3, 0.5, -0.5)[:, None].repeat(8, axis=1)
    rates = retina.rates(cells, drive, np.arange(0, 360, 45.0)) - cells["rest_hz"][:, None]
    selective = cells["kind"] == "selective"
    np.testing.assert_allclose(rates[~selective], rates[~selective][:, :1].repeat(8, axis=1))
    total = (rates * np.exp(1j * np.deg2rad(np.arange(0, 360, 45)))).sum(axis=1)
    np.testing.assert_allclose(np.abs(total) / rates.sum(axis=1), cells["dsi"], atol=1e-12)
    sharp = cells["sharpness"]
    np.testing.assert_allclose(cells["dsi"], i1(sharp) / i0(sharp), atol=2e-3)
    off = np.angle(total, deg=True) - cells["preferred_direction_deg"]
    assert np.abs((off[selective] + 180) % 360 - 180).max() < 1


@pytest.mark.parametrize("order", point.GAMMA_ORDERS)
def test_spikes_have_the_rate_and_the_regularity_of_their_order(order: int) -> None:
    rng = np.random.default_rng(order)
    rate = np.tile(np.repeat([4.0, 36.0], 60), 600)
    times = retina.spikes(rng, rate, order, 0.0)
    counts = np.histogram(times, np.arange(1201))[0].reshape(-1, 2)
    np.testing.assert_allclose(counts.mean(axis=0), [4, 36], rtol=0.05)
    fano = counts[:, 1].var(ddof=1) / counts[:, 1].mean()
    assert 0.85 / order < fano < 1.15 / order + 0.05
    assert np.diff(retina.spikes(rng, rate, order, 0.003)).min() >= 0.003


def test_the_light_in_a_field_is_that_of_the_movies(cells: dict[str, np.ndarray]) -> None:
    show = Show.of(4, 2, 1)
    some = retina.rows_of(cells, slice(0, 3))
    light = show.light(some)
    assert light.shape == (3, show.n_frames)
    on_noise = retina.fields(some, point.PIXELS)
    first = show.starts["noise"]
    frame = (show.noise.frames[101].astype(float) - 127) / 128
    np.testing.assert_allclose(
        light[:, first + 101], (on_noise * frame).sum(axis=(1, 2)), atol=1e-5
    )
    on = show.edges("light_on")[1]
    np.testing.assert_allclose(light[:, on], on_noise.sum(axis=(1, 2)), rtol=1e-5)
    assert (light[:, on - 1] < -0.4).all()
    last = show.starts["moving_bar"] + show.bar.length_frames
    assert not light[:, last:].any()
    frame = (show.bar.frames[-400].astype(float) - 127) / 128
    on_bar = (retina.fields(some, 60) * frame).sum(axis=(1, 2))
    np.testing.assert_allclose(light[:, last - 400], on_bar, atol=1e-5)


# -- the page --------------------------------------------------------------------------------------


def test_the_page_says_what_was_found_last() -> None:
    assert PAGE.read_text(encoding="utf-8") == rendered(CLAIMS), "run: make truth"


def test_what_was_found_is_there_for_every_claim_and_for_no_other() -> None:
    names = {claim.name for claim in CLAIMS}
    assert {path.stem for path in FOLDER.glob("*.png")} == names
    assert {path.stem for path in FOLDER.glob("*.json")} == names | {CELLS}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_numbers_are_of_the_measures_and_what_fails_is_explained(claim: Claim) -> None:
    found, known = stored(claim.name), claim.judge(nobody())
    assert [one["what"] for one in found] == [one.what for one in known]
    assert [bool(one["bound"]) for one in found] == [one.bounded for one in known]
    if any(one["holds"] is False for one in found):
        assert len(claim.remark) > 100


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_nothing_is_claimed_of_nobody(claim: Claim) -> None:
    assert not any(one.holds for one in claim.judge(nobody()))


def nobody() -> dict[str, Sample]:
    """No cells at all, whatever is asked of them."""
    nothing = defaultdict(lambda: np.zeros(0))
    return dict.fromkeys(SAMPLES, Sample(nothing, nothing))
