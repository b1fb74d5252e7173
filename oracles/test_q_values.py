"""q values against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from hdmea.kernels.q_values import q_values


@pytest.mark.parametrize(("method", "peers"), [("bh", "fdr_bh"), ("by", "fdr_by")])
@pytest.mark.parametrize("shape", [(1,), (2,), (900,), (300, 5)])
def test_they_are_statsmodels_adjusted_p_values(method, peers: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(31)
    p = np.where(
        rng.uniform(size=shape) < 0.2, rng.uniform(0, 1e-3, shape), rng.uniform(size=shape)
    )
    p = np.round(p, 4)  # ties, and zeros
    p[rng.uniform(size=shape) < 0.1] = np.nan
    p.flat[0] = 0.01
    included = rng.uniform(size=shape[0]) < 0.7
    included[0] = True
    family = np.isfinite(p) & included.reshape(-1, *[1] * (p.ndim - 1))
    q = q_values(p, included, method)
    assert q[family] == pytest.approx(multipletests(p[family], method=peers)[1], rel=1e-12)
    assert np.isnan(q[~family]).all()
    # Those below a level are those that statsmodels rejects at it.
    rejected = multipletests(p[family], alpha=0.05, method=peers)[0]
    assert np.array_equal(q[family] <= 0.05, rejected)
