"""What a session file says of itself, for ``hdmea inspect``: as JSON and in plain words.

The store knows no features and no steps; it tells what the file's own names, axes and provenance
tell.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py

from hdmea.contribution import Contribution
from hdmea.store import format as fmt
from hdmea.store.reader import SessionFile
from hdmea.terminal import in_a_line

Description = dict[str, Any]


def is_session_file(path: str | Path) -> bool:
    """Whether a file is a session file by its content, whole or damaged; False if unreadable."""
    path = Path(path)
    if not path.is_file():
        return False
    try:
        with h5py.File(path, "r", locking=False) as file:
            found = file.attrs.get("format", b"")
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError):
        # not HDF5, or too damaged to tell: the reader that is tried next says which
        return False
    return isinstance(found, str | bytes) and found in (fmt.FORMAT, fmt.FORMAT.encode())


def describe_session(path: str | Path, *, anonymous: bool = False) -> Description:
    """Describe a session file; what comes back can be written as JSON.

    Parameters
    ----------
    path
        A session file, checkpoint or part.
    anonymous
        Tell the file's structure only: paths, shapes, types, units and axes of its variables, and
        steps with their versions; no data, no parameters, no names of recordings, movies or files,
        no dates.

    Raises
    ------
    FileMissingError, SessionFileError
        If there is no such file, or it is damaged.
    """
    path = Path(path)
    with SessionFile(path) as file:
        contributions = file.contributions()
        described: Description = {"kind": f"hdmea {file.kind}", "hdmea_version": file.hdmea_version}
        if anonymous:
            return described | {
                "steps": [
                    {"step": c.recipe.step, "version": c.recipe.version}
                    for c in contributions.values()
                ],
                "variables": _variables(contributions, anonymous=True),
            }
        header = file.header
        return described | {
            "file": path.name,
            "size_bytes": path.stat().st_size,
            "dataset_id": header["dataset_id"],
            "content_digest": file.content_digest,
            "recording": _recording(file),
            "units": _units(file),
            "sections": _sections(file),
            "features": _features(file),
            "sta": _stas(file),
            "steps": [_step(c) for c in contributions.values()],
            "pending": dict(header.get("pending", {})),
            "warnings": list(header.get("warnings", [])),
            "software": dict(header.get("software", {})),
            "variables": _variables(contributions, anonymous=False),
        }


def render_session(description: Description) -> str:
    """Say in plain words what `describe_session` found."""
    lines = [
        *_identity_lines(description),
        *(_content_lines(description) if "dataset_id" in description else ()),
        "Steps:",
        *(_step_line(step) for step in description["steps"]),
        "Variables:",
        *(_variable_line(one) for one in description["variables"]),
    ]
    return "\n".join(map(in_a_line, lines))


def _recording(file: SessionFile) -> Description:
    """Scalars of the group ``recording``, and the source files."""
    paths = [path for path in file.entries if path.startswith("recording/")]
    found: Description = {
        path.removeprefix("recording/"): _plain(file.read(path).item())
        for path in paths
        if file.entries[path].shape == ()
    }
    return found | {"sources": _rows(file, "recording/sources/", ("role", "name", "size"))}


def _units(file: SessionFile) -> Description:
    if "units/unit_id" not in file.entries:
        return {"n_units": 0, "unit_ids": [], "n_spikes": 0}
    numbers = file.read("units/unit_id")
    spikes = file.entries.get("units/spike_times")
    return {
        "n_units": int(numbers.size),
        "unit_ids": numbers.tolist(),
        "n_spikes": spikes.shape[0] if spikes else 0,
    }


def _rows(file: SessionFile, group: str, columns: tuple[str, ...]) -> list[Description]:
    """Rows of a table whose columns are datasets; none where a column is missing."""
    if any(f"{group}{name}" not in file.entries for name in columns):
        return []
    values = [file.read(f"{group}{name}").tolist() for name in columns]
    return [
        {name: _plain(value) for name, value in zip(columns, row, strict=True)}
        for row in zip(*values, strict=True)
    ]


def _sections(file: SessionFile) -> list[Description]:
    """Sections, with the number of their trials and how the photodiode compares with the movie."""
    sections = _rows(file, "stimulus/sections/", ("movie", "kind", "start_s", "end_s"))
    not_compared: Description = {"r": None, "lag_frames": None, "reason": "not in this file"}
    compared = _rows(file, "stimulus/alignment/", tuple(not_compared))
    of_trials = "stimulus/trials/section"
    n_trials = Counter(file.read(of_trials).tolist() if of_trials in file.entries else ())
    return [
        section | {"n_trials": n_trials[row], "alignment": alignment}
        for row, (section, alignment) in enumerate(
            zip(sections, compared or [not_compared] * len(sections), strict=True)
        )
    ]


def _features(file: SessionFile) -> Description:
    """For each feature its outputs, and how often each reason is given."""
    features: Description = {}
    for path in file.entries:
        group, _, rest = path.partition("/")
        name, _, output = rest.partition("/")
        if group != "features":
            continue
        told = features.setdefault(name, {"outputs": [], "undefined": {}})
        if output.endswith("_reason"):
            reasons = Counter(reason for reason in file.read(path).tolist() if reason)
            if reasons:
                told["undefined"][output.removesuffix("_reason")] = dict(sorted(reasons.items()))
        else:
            told["outputs"].append(output)
    return features


def _stas(file: SessionFile) -> Description:
    stas: Description = {}
    for path, entry in file.entries.items():
        if not (path.startswith("sta/") and path.endswith("/sta")):
            continue
        stimulus = path.split("/")[1]
        lags = file.read(f"sta/{stimulus}/lags")
        stas[stimulus] = {
            "shape": list(entry.shape),
            "first_lag": int(lags[0]),
            "last_lag": int(lags[-1]),
            "n_spikes": int(file.read(f"sta/{stimulus}/n_spikes").sum()),
            "n_excluded": int(file.read(f"sta/{stimulus}/n_excluded").sum()),
            "with_z": f"sta/{stimulus}/z" in file.entries,
        }
    return stas


def _step(contribution: Contribution) -> Description:
    recipe = contribution.recipe
    return {
        "contribution": recipe.name,
        "step": recipe.step,
        "version": recipe.version,
        "parameters": dict(recipe.parameters),
        "key": recipe.key,
        "run": dict(contribution.run),
    }


def _variables(contributions: Mapping[str, Contribution], *, anonymous: bool) -> list[Description]:
    """All variables by path; anonymous ones without the names of movies in their paths."""
    number: dict[str, int] = {}
    listed = []
    for contribution in contributions.values():
        for path, variable in contribution.variables.items():
            parts = path.split("/")
            if anonymous and parts[0] == "sta" and len(parts) > 2:
                parts[1] = f"stimulus_{number.setdefault(parts[1], len(number) + 1)}"
            one = {
                "path": "/".join(parts),
                "shape": list(variable.data.shape),
                "dtype": "text" if variable.data.dtype.kind == "U" else variable.data.dtype.name,
                "unit": variable.unit,
                "dims": list(variable.dims),
            }
            listed.append(one if anonymous else one | {"description": variable.description})
    return sorted(listed, key=lambda one: str(one["path"]))


def _plain(value: Any) -> Any:
    """A value as JSON has it, which knows no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _identity_lines(description: Description) -> Iterator[str]:
    kind, version = description["kind"], description["hdmea_version"]
    if "file" not in description:
        yield f"An {kind} file, written by hdmea {version}"
        return
    yield f"{description['file']}: {kind} of {description['dataset_id']}"
    yield f"  {description['size_bytes'] / 1e6:.1f} MB, written by hdmea {version}"
    yield f"  content {description['content_digest']}"


def _content_lines(description: Description) -> Iterator[str]:
    recording, units = description["recording"], description["units"]
    duration = recording.get("duration_s")
    lasts = "of unknown length" if duration is None else f"{duration:.3f} s"
    yield f"  {lasts}, started {recording.get('started_at') or 'at an unknown time'}"
    for source in recording["sources"]:
        yield f"  {source['role']}: {source['name']}, {source['size'] / 1e6:.1f} MB"
    ids = units["unit_ids"]
    yield f"  {units['n_units']} units{f', numbers {ids[0]} to {ids[-1]}' if ids else ''}"
    yield f"  {units['n_spikes']} spikes"
    yield "Sections:" if description["sections"] else "No sections"
    for one in description["sections"]:
        when = f"{one['start_s']:9.3f} to {one['end_s']:9.3f} s"
        trials = f"{one['n_trials']} trial{'' if one['n_trials'] == 1 else 's'}"
        yield f"  {when}  {one['kind']:<10}  {one['movie']}, {trials}"
        yield f"    {_compared(one['alignment'])}"
    yield "Features:" if description["features"] else "No features"
    for name, told in description["features"].items():
        yield f"  {name}: {', '.join(told['outputs'])}"
        for output, reasons in told["undefined"].items():
            counted = ", ".join(f"{reason} in {n}" for reason, n in reasons.items())
            yield f"    {output} undefined: {counted} units"
    yield "STA:" if description["sta"] else "No STA"
    for stimulus, told in description["sta"].items():
        shape = " x ".join(map(str, told["shape"]))
        yield f"  {stimulus}: unit x lag x y x x = {shape}"
        yield f"    lags {told['first_lag']} to {told['last_lag']} frames from the spike's"
        left_out = f"{told['n_excluded']} left out (their window leaves the movie)"
        z = "with z scores" if told["with_z"] else "without z scores"
        yield f"    {told['n_spikes']} spikes, {left_out}; {z}"
    for name, reason in description["pending"].items():
        yield f"PENDING: {name} waits for {reason}"
    for warning in description["warnings"]:
        yield f"WARNING: {warning}"
    if description["software"]:
        yield "Software:"
        yield "  " + ", ".join(f"{name} {v}" for name, v in description["software"].items())


def _compared(alignment: Description) -> str:
    if alignment["r"] is None:
        return f"photodiode not compared: {alignment['reason']}"
    return f"photodiode r = {alignment['r']:.3f} at lag {alignment['lag_frames']:.0f} frames"


def _step_line(step: Description) -> str:
    line = f"  {step.get('contribution', step['step'])}, version {step['version']}"
    if "contribution" not in step:
        return line
    package = step["run"].get("package", "hdmea")
    if package.split()[0] != "hdmea":
        line += f", of {package}"
    if step["run"].get("duration_s") is not None:
        line += f", {step['run']['duration_s']:.2f} s"
    parameters = ", ".join(f"{name}={value!r}" for name, value in step["parameters"].items())
    return f"{line}: {parameters}" if parameters else line


def _variable_line(one: Description) -> str:
    shape = " x ".join(map(str, one["shape"])) or "scalar"
    axes = f" ({', '.join(one['dims'])})" if one["dims"] else ""
    unit = f" [{one['unit']}]" if one["unit"] not in ("", "1") else ""
    meaning = f": {one['description']}" if "description" in one else ""
    return f"  {one['path']}  {one['dtype']} {shape}{axes}{unit}{meaning}"
