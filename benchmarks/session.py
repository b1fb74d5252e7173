"""A session of 1,000 units: saved, opened, loaded, and one unit of it looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contest import Way, alone, contest
from benchmarks.contests import fastest, medians, stored
from benchmarks.topic import Claim, Found, Topic, ways

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_UNITS = 1000
ROUNDS = 9
"""The slow ones run three times."""
HDMEA, PLAIN, GROUPS = "hdmea", "numpy, plain file", "h5py, a group for each unit"
_HERE = "benchmarks.session_ways"
_SAYS = """
1,000 units with 10,000 spikes each, an STA of 60 x 15 x 15, and of seven features four numbers and
a PSTH of 320 bins: 144 MB. hdmea packs trains, tables and STAs as [file-format.md](file-format.md)
says; the layout it is compared with has a group for each unit, and in it a dataset for each number
and array, as the reference lab's older files do. Saving ends when the bytes are on disk (fsync of
file and folder), in all ways; hdmea's way includes sha256 of all values. Loading reads from the
page cache into memory, and hdmea checks all digests. The features of one unit are read from a file
that was opened, and from which nothing has been read yet.
"""


def run(folder: Path, part: str, share: float) -> dict[str, Any]:
    """One contest; those that read make their files first."""
    n_units = max(10, round(N_UNITS * share))
    case = {"folder": str(folder), "n_units": n_units}
    savers = [
        Way(HDMEA, f"{_HERE}:save_session", case),
        Way(PLAIN, f"{_HERE}:save_plain", case),
        Way(GROUPS, f"{_HERE}:save_groups", case, rounds=3),
    ]
    if part == "save":
        return stored(contest(savers, rounds=ROUNDS))
    contest(savers, rounds=1)
    size = (folder / "plain.bin").stat().st_size
    place = {"folder": str(folder)}
    if part == "load":
        loaders = [
            Way(HDMEA, f"{_HERE}:load_session", place),
            Way(PLAIN, f"{_HERE}:load_plain", case),
            Way(GROUPS, f"{_HERE}:load_groups", place, rounds=3),
        ]
        return stored(contest(loaders, rounds=ROUNDS), bytes=size)
    if part == "open":
        return stored({HDMEA: alone(Way(HDMEA, f"{_HERE}:open_session", place), rounds=ROUNDS)})
    one = place | {"unit": n_units // 2, "times": ROUNDS + 1}
    readers = [
        Way(HDMEA, f"{_HERE}:unit_of_session", one),
        Way(GROUPS, f"{_HERE}:unit_of_groups", one),
    ]
    return stored(contest(readers, rounds=ROUNDS))


def claims(found: Found) -> list[Claim]:
    """The bounds of the parts that were found."""
    made: list[Claim] = []
    if "save" in found:
        at = medians(found["save"])
        made += [
            Claim("saved, of the time of numpy", at[HDMEA] / at[PLAIN], at_most=3, unit="x"),
            Claim(
                "saved as a group for each unit",
                at[GROUPS] / at[HDMEA],
                at_least=10,
                unit="x",
            ),
        ]
    if "load" in found:
        at = medians(found["load"])
        rate = found["load"]["bytes"] / fastest(found["load"])[HDMEA] / 1e9
        made += [
            Claim("loaded, digests checked", rate, at_least=1, unit=" GB/s"),
            Claim(
                "loaded from groups",
                at[GROUPS] / at[HDMEA],
                at_least=10,
                unit="x",
            ),
        ]
    if "open" in found:
        made.append(Claim("opened", 1e3 * fastest(found["open"])[HDMEA], at_most=50, unit=" ms"))
    if "one unit" in found:
        seconds = fastest(found["one unit"])[HDMEA]
        made.append(Claim("features of one unit", 1e3 * seconds, at_most=2, unit=" ms"))
    return made


def section(found: Found) -> str:
    """A table for each part."""
    return "\n".join(f"### {_TITLES[part]}\n\n{ways(one['ways'])}" for part, one in found.items())


def draw(found: Found) -> Figure | None:
    """Seconds of each way, saving and loading."""
    if not {"save", "load"} <= found.keys():
        return None
    from benchmarks.pictures import bars

    return bars({_TITLES[part]: found[part]["ways"] for part in ("save", "load")})


_TITLES = {
    "save": "Saving", "load": "Loading all", "open": "Opening",
    "one unit": "Features of one unit",
}  # fmt: skip

SESSION = Topic(
    "session",
    "A session file",
    _SAYS,
    tuple(_TITLES),
    run,
    claims,
    section,
    draw,
    "Seconds to save and load a session of 1,000 units: hdmea, numpy, a group for each unit",
)
