"""Light steps: PSTH and rates against pynapple and elephant, p against scipy and statsmodels."""

from __future__ import annotations

import numpy as np
import pynapple as nap
import pytest
import quantities as pq
import statsmodels.api as sm
from elephant.statistics import time_histogram
from peers import (
    SAMPLING_HZ,
    Cells,
    bursts,
    modulated,
    on_samples,
    p_of_dispersed_counts,
    poisson,
    repeated,
)
from scipy.stats import binomtest, poisson_means_test
from statsmodels.stats.rates import test_poisson_2indep as compare_rates

from hdmea.features.inputs import FeatureInputs
from hdmea.features.on_off import OnOffParams, on_off
from hdmea.kernels.dispersion import dispersion_of_changes

ON_S, OFF_S, TRIAL_S = 1.0, 6.0, 10.0
N_TRIALS = 12
WINDOW_S, BASELINE_S = 0.5, 1.0
SHARE = WINDOW_S / (WINDOW_S + BASELINE_S)
DURATION_S = 150.0


@pytest.fixture(scope="module")
def starts_s() -> np.ndarray:
    """Starts of trials, late by up to 5 ms; half a sample off, so that no spike is on an edge."""
    rng = np.random.default_rng(11)
    samples = 200_000 + 202_000 * np.arange(N_TRIALS) + rng.integers(0, 100, N_TRIALS)
    return (samples + 0.5) / SAMPLING_HZ


@pytest.fixture(scope="module")
def responding(starts_s: np.ndarray) -> Cells:
    """ON, OFF, both, suppressed, spontaneous, bursting, one spike, silent."""
    rng = np.random.default_rng(12)

    def since(edge_s: float):
        def elapsed(times: np.ndarray) -> np.ndarray:
            trial = np.maximum(np.searchsorted(starts_s, times) - 1, 0)
            return times - starts_s[trial] - edge_s

        return elapsed

    def transient(times: np.ndarray, edge_s: float) -> np.ndarray:
        after = since(edge_s)(times)
        return np.where(after > 0.05, np.exp(-(after - 0.05) / 0.2), 0)

    def calm(times: np.ndarray) -> np.ndarray:
        return np.where((since(ON_S)(times) % (OFF_S - ON_S)) < 0.6, 1, 15)

    trains = [
        modulated(rng, lambda t: 3 + 60 * transient(t, ON_S), 63, DURATION_S),
        modulated(rng, lambda t: 3 + 60 * transient(t, OFF_S), 63, DURATION_S),
        modulated(rng, lambda t: 30 * (transient(t, ON_S) + transient(t, OFF_S)), 60, DURATION_S),
        modulated(rng, calm, 15, DURATION_S),
        poisson(rng, 8.0, DURATION_S),
        bursts(rng, DURATION_S),
        starts_s[:1] + 1.2,
        np.zeros(0),
    ]
    return Cells(tuple(on_samples(train, DURATION_S) for train in trains), DURATION_S)


@pytest.fixture(scope="module")
def values(responding: Cells, starts_s: np.ndarray) -> dict[str, np.ndarray]:
    edges = {"light_on": ON_S, "light_off": OFF_S}
    trials = repeated("step", "step", starts_s, TRIAL_S, edges)
    inputs = FeatureInputs(responding.hdmea, trials=trials)
    return on_off(inputs, OnOffParams(window_s=WINDOW_S, baseline_s=BASELINE_S)).values


# -- rates and histograms --------------------------------------------------------------------------


def test_psth_is_elephants_time_histogram_of_the_trials(
    values: dict[str, np.ndarray], responding: Cells, starts_s: np.ndarray
) -> None:
    for unit in range(len(responding.samples)):
        trials = [responding.elephant(unit, start, start + TRIAL_S) for start in starts_s]
        histogram = time_histogram(trials, bin_size=10 * pq.ms, output="rate")
        rate_hz = histogram.rescale(pq.Hz).magnitude[:, 0]
        assert values["psth_hz"][unit] == pytest.approx(rate_hz, rel=1e-7)  # float32


def test_psth_is_pynapples_perievent_count(
    values: dict[str, np.ndarray], responding: Cells, starts_s: np.ndarray
) -> None:
    around = nap.compute_perievent(responding.pynapple, nap.Ts(starts_s), window=(0, TRIAL_S))
    whole = nap.IntervalSet(0, TRIAL_S)
    for unit, trials in around.items():
        counts = trials.count(0.01, ep=whole).values.sum(axis=1)
        assert np.array_equal(np.rint(values["psth_hz"][unit] * N_TRIALS * 0.01), counts)


@pytest.mark.parametrize(("edge", "edge_s"), [("on", ON_S), ("off", OFF_S)])
def test_changes_of_rate_are_the_differences_of_pynapples_responses(
    values: dict[str, np.ndarray],
    responding: Cells,
    starts_s: np.ndarray,
    edge: str,
    edge_s: float,
) -> None:
    at = starts_s + edge_s
    rates = nap.compute_response_per_epoch(
        responding.pynapple,
        {
            "response": nap.IntervalSet(at, at + WINDOW_S),
            "baseline": nap.IntervalSet(at - BASELINE_S, at),
            "later": nap.IntervalSet(at + WINDOW_S, at + WINDOW_S + BASELINE_S),
        },
    )
    response, baseline, later = (rates.sel(epochs=name).values for name in rates.epochs.values)
    assert values[f"r_{edge}_hz"] == pytest.approx(response - baseline, abs=1e-9)
    assert values[f"sustained_rate_{edge}_hz"] == pytest.approx(later, abs=1e-9)
    counted = rates.sel(epochs="response").values * WINDOW_S * N_TRIALS
    assert np.array_equal(values[f"n_spikes_{edge}"], np.rint(counted))


@pytest.mark.parametrize(("edge", "edge_s"), [("on", ON_S), ("off", OFF_S)])
def test_peak_latency_and_transience_are_those_of_elephants_histogram(
    values: dict[str, np.ndarray],
    responding: Cells,
    starts_s: np.ndarray,
    edge: str,
    edge_s: float,
) -> None:
    n_seen = 0
    for unit in range(len(responding.samples)):
        trials = [
            responding.elephant(unit, start + edge_s, start + edge_s + 1.0) for start in starts_s
        ]
        histogram = time_histogram(trials, bin_size=10 * pq.ms, output="rate")
        rate_hz = histogram.rescale(pq.Hz).magnitude[:, 0]
        peak = int(np.argmax(rate_hz[:50]))
        assert values[f"peak_rate_{edge}_hz"][unit] == pytest.approx(rate_hz[peak])
        if np.isnan(values[f"latency_to_peak_{edge}_ms"][unit]):
            continue
        n_seen += 1
        middle_ms = (histogram.times[peak].rescale(pq.ms).magnitude) + 5
        assert values[f"latency_to_peak_{edge}_ms"][unit] == pytest.approx(middle_ms)
        later = rate_hz[peak + 35 : peak + 45].mean()
        assert values[f"transience_{edge}"][unit] == pytest.approx(1 - later / rate_hz[peak])
    assert n_seen >= 2


def test_index_and_class_follow_from_pynapples_rates_and_scipys_p(
    values: dict[str, np.ndarray], responding: Cells, starts_s: np.ndarray, dispersions
) -> None:
    expected = []
    for unit in range(len(responding.samples)):
        at_edges, peaks, responds, falls = [], [], [], []
        for edge, edge_s in (("on", ON_S), ("off", OFF_S)):
            at = starts_s + edge_s
            windows = [(at, at + WINDOW_S), (at - BASELINE_S, at)]
            train = responding.pynapple[unit]
            k, m = (len(train.restrict(nap.IntervalSet(*window))) for window in windows)
            change = (k / WINDOW_S - m / BASELINE_S) / N_TRIALS
            dispersion, known = dispersions[unit, edge]
            p = p_of_dispersed_counts(k, m, SHARE, dispersion, known)
            assert values[f"p_{edge}"][unit] == pytest.approx(p, rel=1e-9, abs=1e-300)
            significant = p < 0.01
            responds.append(significant and change > 0 and k >= 5)
            falls.append(significant and change < 0 and m >= 5)
            at_edges.append(max(change, 0))
            # The peaks themselves are compared with elephant's.
            peak_hz = values[f"peak_rate_{edge}_hz"][unit]
            peaks.append(max(peak_hz - m / BASELINE_S / N_TRIALS, 0))
        index = (at_edges[0] - at_edges[1]) / sum(at_edges) if any(responds) else np.nan
        assert values["on_off_index"][unit] == pytest.approx(index, rel=1e-9, nan_ok=True)
        by_peaks = (peaks[0] - peaks[1]) / sum(peaks) if any(responds) else np.nan
        assert values["on_off_index_peak"][unit] == pytest.approx(by_peaks, rel=1e-9, nan_ok=True)
        if any(responds):
            expected.append("on" if index > 0.33 else "off" if index < -0.33 else "on_off")
        else:
            expected.append("suppressed" if any(falls) else "none")
    assert values["class"].tolist() == expected
    assert set(expected) == {"on", "off", "on_off", "suppressed", "none"}


# -- dispersion ------------------------------------------------------------------------------------


def places_s(edge_s: float, other_s: float) -> np.ndarray:
    """Every 0.25 s of the trial, but for the response to the other edge; from the trial's start."""
    at = np.arange(BASELINE_S, TRIAL_S - WINDOW_S + 0.1, WINDOW_S / 2)
    apart = (at + WINDOW_S <= other_s) | (at - BASELINE_S >= other_s + WINDOW_S)
    return at[apart | (at == edge_s)]


@pytest.fixture(scope="module")
def dispersions(responding: Cells, starts_s: np.ndarray) -> dict[tuple[int, str], tuple]:
    """By unit and edge: from pynapple's counts in each trial; and how well each is known."""
    found = {}
    for edge, edge_s, other_s in (("on", ON_S, OFF_S), ("off", OFF_S, ON_S)):
        # what a spike in each bin of 50 ms counts for, at each place
        at = places_s(edge_s, other_s)
        bins = np.arange(0.025, TRIAL_S, 0.05) - at[:, None]
        after, before = (bins > 0) & (bins < WINDOW_S), (bins > -BASELINE_S) & (bins < 0)
        weights = (1 - SHARE) * after - SHARE * before
        known = (N_TRIALS - 1) * at.size**2 / (np.corrcoef(weights) ** 2).sum()
        for unit in range(len(responding.samples)):
            train = responding.pynapple[unit]
            changes, poisson = np.empty((2, N_TRIALS, at.size))
            for place, begin in enumerate(at):
                middle = starts_s + begin
                k = train.count(ep=nap.IntervalSet(middle, middle + WINDOW_S)).values
                m = train.count(ep=nap.IntervalSet(middle - BASELINE_S, middle)).values
                changes[:, place] = (1 - SHARE) * k - SHARE * m
                poisson[:, place] = (1 - SHARE) ** 2 * k + SHARE**2 * m
            variance = changes.var(axis=0, ddof=1).sum()
            spikes = poisson.mean(axis=0).sum()
            found[unit, edge] = (variance / spikes if spikes else np.nan), known
    return found


def test_dispersion_is_the_variance_of_pynapples_counts_between_trials(
    values: dict[str, np.ndarray], dispersions
) -> None:
    for (unit, edge), (dispersion, _) in dispersions.items():
        found = values[f"dispersion_{edge}"][unit]
        assert found == pytest.approx(dispersion, rel=1e-9, nan_ok=True)
    (poisson, _), (burst, _) = (dispersions[unit, "on"] for unit in (4, 5))
    assert poisson < 1.5
    assert burst > 3


@pytest.mark.parametrize("per_burst", [1, 4])
def test_dispersion_is_the_scale_of_statsmodels_binomial_model(per_burst: int) -> None:
    # The model takes the spikes after of those in both windows, given their sum, with a mean of
    # its own for each place; its scale is Pearson's chi square over the degrees of freedom.
    rng = np.random.default_rng(31)
    ours, theirs = [], []
    for _ in range(40):
        k, m = (per_burst * rng.poisson(mean / per_burst, (5, 6)) for mean in (10.0, 20.0))
        place = np.tile(np.eye(6), (5, 1))
        both = np.stack([k.ravel(), m.ravel()], axis=1)
        some = both.sum(axis=1) > 0
        model = sm.GLM(both[some], place[some], family=sm.families.Binomial()).fit()
        theirs.append(model.pearson_chi2 / model.df_resid)
        ours.append(dispersion_of_changes(k[None], m[None], SHARE, 24.0).value[0])
    assert np.median(ours) == pytest.approx(np.median(theirs), rel=0.03)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9


# -- significance ----------------------------------------------------------------------------------

PAIRS = [(k, m) for k in (0, 1, 2, 5, 12, 40, 150, 600) for m in (0, 1, 3, 9, 30, 80, 300, 1200)]


def counts_of(values: dict[str, np.ndarray], edge: str) -> list[tuple[int, int, float]]:
    columns = (f"n_spikes_{edge}", f"n_spikes_{edge}_baseline", f"p_{edge}")
    return list(zip(*(values[name].tolist() for name in columns), strict=True))


@pytest.fixture(scope="module")
def found() -> list[tuple[int, int, float]]:
    """Counts in the response window and in the baseline, and p of hdmea, for all `PAIRS`."""
    rng = np.random.default_rng(4)
    trains = []
    for n_response, n_baseline in PAIRS:
        before, after = np.arange(100_000, 120_000), np.arange(120_000, 130_000)
        drawn = [rng.choice(before, n_baseline, False), rng.choice(after, n_response, False)]
        trains.append(np.sort(np.concatenate(drawn)))
    cells = Cells(tuple(trains), 20.0)
    edges = {"light_on": 1.0, "light_off": 6.0}
    trials = repeated("step", "step", np.array([5.0]), TRIAL_S, edges)
    result = on_off(FeatureInputs(cells.hdmea, trials=trials), OnOffParams())
    rows = counts_of(result.values, "on")
    assert [(k, m) for k, m, _ in rows] == PAIRS
    return rows


def test_p_of_one_trial_is_twice_the_smaller_tail_of_scipys_binomial_test(found) -> None:
    for k, m, p in found:
        if k + m == 0:
            assert p == 1
            continue
        tails = [binomtest(k, k + m, SHARE, side).pvalue for side in ("less", "greater")]
        assert p == pytest.approx(min(1, 2 * min(tails)), rel=1e-10, abs=1e-300)


def statsmodels_p(k: int, m: int, method: str, alternative: str = "two-sided") -> float:
    with np.errstate(divide="ignore"):  # the ratio of the rates, where there was no spike before
        test = compare_rates(k, WINDOW_S, m, BASELINE_S, method=method, alternative=alternative)
    return float(test.pvalue)


def test_p_of_one_trial_is_that_of_statsmodels_exact_comparison_of_two_poisson_rates(found) -> None:
    for k, m, p in found:
        if k + m == 0:
            continue  # undefined there, and 1 here
        tails = [statsmodels_p(k, m, "exact-cond", side) for side in ("larger", "smaller")]
        assert p == pytest.approx(min(1, 2 * min(tails)), rel=1e-9, abs=1e-300)


def test_the_sum_of_what_is_less_likely_is_half_of_p_to_p(found) -> None:
    # The two-sided binomial test of scipy and statsmodels adds up all that is less likely than the
    # counts, instead of doubling a tail; mid-p takes half of the probability of the counts
    # themselves, and is not exact.
    for k, m, p in found:
        if k + m == 0 or p < 1e-12:  # so far out one tail may count for much more than the other
            continue
        less_likely = binomtest(k, k + m, SHARE).pvalue
        assert statsmodels_p(k, m, "exact-cond") == pytest.approx(less_likely, rel=1e-7, abs=1e-300)
        assert less_likely * (1 - 1e-7) <= p <= 2 * less_likely * (1 + 1e-7) + 1e-300
        assert statsmodels_p(k, m, "cond-midp") <= p * (1 + 1e-7)


def test_scipys_comparison_of_means_is_another_test(found) -> None:
    # It divides the difference of the rates by the spread of each by itself, which is 0 where
    # there was no spike: it asks more of a response out of silence than of a silence.
    exact = {(k, m): p for k, m, p in found}
    assert exact[5, 0] == pytest.approx(2 / 3**5)
    assert poisson_means_test(5, WINDOW_S, 0, BASELINE_S).pvalue > 5 * exact[5, 0]
    assert exact[0, 9] == pytest.approx(2 * (2 / 3) ** 9)
    assert poisson_means_test(0, WINDOW_S, 9, BASELINE_S).pvalue < exact[0, 9] / 5


# -- quality ---------------------------------------------------------------------------------------


def smoothed(counts: np.ndarray, sigma_bins: float) -> np.ndarray:
    """Weighted means over 4 sigma to both sides, of counts mirrored at their ends."""
    reach = int(4 * sigma_bins + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_bins) ** 2)
    weights /= weights.sum()
    return np.convolve(np.pad(counts, reach, mode="symmetric"), weights, mode="valid")


def test_quality_index_is_that_of_plain_loops_over_trials(
    values: dict[str, np.ndarray], responding: Cells, starts_s: np.ndarray
) -> None:
    for unit, times in enumerate(responding.times_s):
        trials = []
        for start in starts_s:
            inside = times[(times >= start) & (times < start + TRIAL_S)]
            counts, _ = np.histogram(inside - start, bins=1000, range=(0, TRIAL_S))
            trials.append(smoothed(counts.astype(float), sigma_bins=5))
        variance = np.mean([trial.var() for trial in trials])
        if variance == 0:
            assert np.isnan(values["qi"][unit])
            continue
        expected = np.mean(trials, axis=0).var() / variance
        assert values["qi"][unit] == pytest.approx(expected, rel=1e-10)
        corrected = (expected - 1 / N_TRIALS) / (1 - 1 / N_TRIALS)
        assert values["qi_corrected"][unit] == pytest.approx(corrected, rel=1e-9)
