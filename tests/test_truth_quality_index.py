"""The corrected quality index of simulated retinas does not depend on the number of trials."""

from __future__ import annotations

import numpy as np
import pytest
from truth.claim import Sample
from truth.claims import quality_index
from truth.repeated import N_TRIALS, QUALITY_OF, repeated


@pytest.fixture(scope="module")
def small() -> Sample:
    return repeated(24, 79)


def perfect() -> Sample:
    """Cells whose index is what it is expected to be, whatever the number of trials."""
    signal = np.linspace(0.1, 0.9, 41)
    found = {}
    for feature in QUALITY_OF:
        for n in N_TRIALS:
            found[f"qi_{feature}_{n}"] = signal + (1 - signal) / n
            found[f"qi_corrected_{feature}_{n}"] = signal
    return Sample({"kind": np.full(41, "on")}, found)


def fails(sample: Sample) -> set[str]:
    measures = quality_index.CLAIM.judge({"repeated": sample})
    return {one.what for one in measures if one.bounded and not one.holds}


def test_a_small_retina_has_the_same_index_with_few_and_many_trials(small: Sample) -> None:
    for one in quality_index.CLAIM.judge({"repeated": small}):
        assert one.n == 24
        assert one.found < (0.05 if "corrected" in one.what else 0.2), one
    corrected = small.found["qi_corrected_chirp_3"]
    assert np.allclose(corrected, (small.found["qi_chirp_3"] - 1 / 3) / (2 / 3))


def test_perfect_estimates_fulfil_the_claim_and_the_plain_index_would_not() -> None:
    sample = perfect()
    assert fails(sample) == set()
    plain = {
        f"qi_corrected_{feature}_{n}": sample.found[f"qi_{feature}_{n}"]
        for feature in QUALITY_OF
        for n in N_TRIALS
    }
    assert fails(sample.with_found(**plain)) == {f"qi_corrected of {name}" for name in QUALITY_OF}


@pytest.mark.parametrize("feature", QUALITY_OF)
@pytest.mark.parametrize("n", N_TRIALS)
def test_an_index_that_drifts_or_is_undefined_is_denied(feature: str, n: int) -> None:
    sample, name = perfect(), f"qi_corrected_{feature}_{n}"
    for wrong in (sample.found[name] - 0.06, np.full(41, np.nan)):
        assert fails(sample.with_found(**{name: wrong})) == {f"qi_corrected of {feature}"}
