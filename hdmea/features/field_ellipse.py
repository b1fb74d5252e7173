"""Centre and size of receptive fields, in pixels and micrometres, on retina and chip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hdmea.features.declaration import Text, reasons_where
from hdmea.kernels.ellipse import Ellipses, mapped
from hdmea.stimulus.geometry import Geometry

Flags = npt.NDArray[np.bool_]
Columns = dict[str, npt.NDArray[Any]]
Conditions = Mapping[str, Flags]

_UNKNOWN = np.full((2, 2), np.nan)


class Outputs:
    """Outputs, each undefined where the first of some conditions holds, which is the reason."""

    def __init__(self) -> None:
        self.values: dict[str, npt.NDArray[Any]] = {}
        self.reasons: dict[str, Text] = {}

    def put(self, name: str, values: npt.NDArray[Any], undefined: Conditions) -> None:
        """Keep an output where none of the conditions holds, else the name of the first."""
        reasons = reasons_where(undefined)
        known = (reasons == "").reshape(-1, *[1] * (values.ndim - 1))
        nothing = "" if values.dtype.kind == "U" else values.dtype.type(np.nan)
        self.values[name] = np.where(known, values, nothing)
        self.reasons[name] = reasons


def put_ellipse(
    out: Outputs,
    found: Columns,
    no_fit: Conditions,
    movie: str,
    geometry: Geometry | None,
    extent_sigmas: float,
    min_sigma_px: float,
) -> None:
    """Centre and size, in pixels and micrometres.

    Parameters
    ----------
    out
        Takes them, with reasons.
    found
        ``centre_x``, ``centre_y``, ``sigma_major``, ``sigma_minor``, ``angle_deg`` in pixels.
    no_fit
        Where all of it is undefined.
    movie, geometry
        The noise, and where its pixels lie, if that is known.
    extent_sigmas, min_sigma_px
        Parameters of `dense_noise`.
    """
    centre = np.stack([found["centre_x"], found["centre_y"]], axis=-1)
    retina, chip, to_retina = np.full_like(centre, np.nan), np.full_like(centre, np.nan), _UNKNOWN
    if geometry is not None:
        retina, chip = geometry.to_retina_um(movie, centre), geometry.to_chip_um(movie, centre)
        corners = geometry.to_retina_um(movie, [[0, 0], [1, 0], [0, 1]])
        to_retina = (corners[1:] - corners[0]).T
    ellipse = Ellipses(found["sigma_major"], found["sigma_minor"], found["angle_deg"])
    on_retina = mapped(ellipse, to_retina)
    k = extent_sigmas

    n_units = len(centre)
    unknown = {"pixel_size_unknown": np.full(n_units, np.isnan(to_retina).any())}
    no_chip = {"chip_position_unknown": np.isnan(chip).any(axis=1)}
    with np.errstate(invalid="ignore"):
        thin = {
            name: {"below_pixel_resolution": getattr(ellipse, name) < min_sigma_px}
            for name in ("sigma_major", "sigma_minor")
        }
    small = thin["sigma_minor"]
    out.values["extent_sigmas"] = np.full(n_units, k)
    for axis, name in enumerate("xy"):
        out.put(f"centre_{name}_px", centre[:, axis], no_fit)
        out.put(f"centre_{name}_um", retina[:, axis], {**no_fit, **unknown})
        out.put(f"centre_{name}_chip_um", chip[:, axis], {**no_fit, **no_chip})
    for name in ("sigma_major", "sigma_minor"):
        out.put(f"{name}_px", getattr(ellipse, name), {**no_fit, **thin[name]})
        out.put(f"{name}_um", getattr(on_retina, name), {**no_fit, **unknown, **small})
    out.put("angle_deg", ellipse.angle_deg, {**no_fit, **small})
    out.put("angle_retina_deg", on_retina.angle_deg, {**no_fit, **unknown, **small})
    product_px = ellipse.sigma_major * ellipse.sigma_minor
    product_um2 = on_retina.sigma_major * on_retina.sigma_minor
    out.put("diameter_px", 2 * k * np.sqrt(product_px), {**no_fit, **small})
    out.put("diameter_um", 2 * k * np.sqrt(product_um2), {**no_fit, **unknown, **small})
    out.put("area_um2", np.pi * k**2 * product_um2, {**no_fit, **unknown, **small})
