"""Hostile text: stimulus libraries, tables, configurations, ids."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np

from faults.hostile.cases import MARK, NAMES, NO_FILES, Case, Room
from faults.hostile.ways import CMCR, CMTR, STIMULI

_DEEP = 100_000
_CODE = f"__import__('os').system('touch {MARK}')"
_YAML = {
    "YAML tags that run code": f"!!python/object/apply:os.system ['touch {MARK}']",
    "YAML tags that make objects": "!!python/object/new:type {args: ['x', !!python/tuple [], {}]}",
    "YAML that doubles thirty times": "\n".join(
        ["a0: &a0 [lol, lol]"]
        + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 30)]
        + ["section_kwargs: *a29", "kind: *a29", "events: *a29", "mode: *a29", "steps: *a29"]
        + ["recordings: *a29", "stimuli: *a29"]
    ),
    "YAML of 100,000 lists in each other": f"kind: {'[' * _DEEP}{']' * _DEEP}",
    "YAML that holds itself": "&a {kind: *a, events: [*a], steps: *a, recordings: *a}",
    "YAML with a number of 10,000 digits": f"section_kwargs: {'9' * 10_000}",
}
_PATTERN = "a*" * 60


def text_cases() -> list[Case]:
    """All of them."""
    movie = "step.yaml"
    cases = [
        Case(name, "library", _file(file, said), must_be_refused=True)
        for name, said in _YAML.items()
        for file in [movie]
    ]
    cases += [
        Case(f"{name} ({file})", "library", _file(file, said), must_be_refused=True)
        for name, said in list(_YAML.items())[:3]
        for file in ("patterns.yaml", "display.yaml")
    ]
    cases += [Case(name, "configuration", _given(said), True) for name, said in _YAML.items()]
    cases += [Case(name, "library", make, refused) for name, (make, refused) in _LIBRARY.items()]
    cases += [
        Case(f"{name} as a movie's", "library", _movie_called(word), False)
        for name, word in NAMES.items()
    ]
    cases += [
        # without a file of frames a movie is whole, though without an STA
        Case(f"{what} in place of {file}", "library", _no_file(file, do), file != "noise.npy")
        for what, do in NO_FILES.items()
        for file in ("playlist.csv", "step.yaml", "noise.npy")
    ]
    ids = NAMES | {"an id that is a way up": "..", "an id that is an option": "-rf", "no id": ""}
    ids |= {"an id that is hidden": ".hidden", "an id with a line's end": "a\nb"}
    for name, word in ids.items():
        cases.append(Case(name, "id", _given(word, "id"), True))
        if "\n" not in word and "\r" not in word:
            cases.append(Case(name, "table", _row(word), True))
    cases += [Case(name, "table", _file_cells(cell), True) for name, cell in _CELLS.items()]
    cases += [
        Case(name, "curation", _curated(word), True)
        for name, word in {"code in a cell": _CODE, **NAMES}.items()
        if word.isprintable()
    ]
    cases += [
        Case(what, kind, _no_table(do), True)
        for what, do in NO_FILES.items()
        for kind in ("table", "curation")
    ]
    return cases


def _file(name: str, said: str) -> Callable[[Room], Path]:
    """A file of the library says something else."""

    def make(room: Room) -> Path:
        path = room.inputs / STIMULI / name
        path.write_text(said, encoding="utf-8")
        return path

    return make


def _given(said: str, name: str = "given.yaml") -> Callable[[Room], Path]:
    def make(room: Room) -> Path:
        path = room.inputs / name
        path.write_bytes(said.encode("utf-8", "surrogateescape"))
        return path

    return make


def _playlist(movies: str) -> Callable[[Room], Path]:
    cell = movies.replace('"', '""')
    return _file("playlist.csv", f'playlist_name,movie_names\nboth,"{cell}"\n')


def _movie_called(word: str) -> Callable[[Room], Path]:
    """A whole movie whose name means something else."""

    def make(room: Room) -> Path:
        folder = room.inputs / STIMULI
        shown = word.replace("\r\n", "")  # which no line of a table can have
        name = shown.replace("\\", "/").rpartition("/")[2].partition(".")[0].strip()
        rows = [("movie_name", "movie_length"), ("noise", "120"), ("step", "460"), (shown, "460")]
        lengths = "".join(f"{_csv(a)},{b}\n" for a, b in rows)
        (folder / "movie_length.csv").write_bytes(lengths.encode())
        cell = _csv(f"['noise', '''{shown}''']")
        (folder / "playlist.csv").write_bytes(f"playlist_name,movie_names\nboth,{cell}\n".encode())
        if len(name) < 200 and "/" not in name:
            (folder / f"{name}.yaml").write_bytes((folder / "step.yaml").read_bytes())
            (folder / f"{name}.npy").write_bytes((folder / "step.npy").read_bytes())
        return folder / "playlist.csv"

    return make


def _csv(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def _no_file(name: str, do: Callable[[Path], None]) -> Callable[[Room], Path]:
    def make(room: Room) -> Path:
        path = room.inputs / STIMULI / name
        do(path)
        return path

    return make


# -- frames and folders ----------------------------------------------------------------------------


def _pickled(room: Room) -> Path:
    path = room.inputs / STIMULI / "noise.npy"
    np.save(path, np.array([_Runs()], dtype=object), allow_pickle=True)
    return path


class _Runs:
    """Runs code when it is read back."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, (_CODE,)


def _plain_pickle(room: Room) -> Path:
    path = room.inputs / STIMULI / "noise.npy"
    path.write_bytes(pickle.dumps(_Runs()))
    return path


def _header(said: str) -> Callable[[Room], Path]:
    """Frames whose header says something else."""

    def make(room: Room) -> Path:
        path = room.inputs / STIMULI / "noise.npy"
        text = said.encode() + b" " * (-(len(said) + 11) % 64) + b"\n"
        path.write_bytes(b"\x93NUMPY\x02\x00" + len(text).to_bytes(4, "little") + text)
        return path

    return make


def _frames(shape: str, dtype: str = "|u1") -> Callable[[Room], Path]:
    return _header(f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}")


def _link_to_everything(room: Room) -> Path:
    path = room.inputs / STIMULI / "shared"
    path.symlink_to("/")
    return path


def _many_folders(room: Room) -> Path:
    """Links that make of twenty folders a million paths."""
    path = room.inputs / STIMULI / "many"
    path.mkdir()
    for number in range(20):
        (path / str(number)).mkdir()
    for number in range(19):
        for name in ("a", "b"):
            (path / str(number) / name).symlink_to(path / str(number + 1))
    return path


def _long_movie(room: Room) -> Path:
    """Of ten thousand million million frames, in as many trials."""
    folder = room.inputs / STIMULI
    (folder / "step.npy").unlink()
    rule = {"start_frame": 0, "trial_length_frame": 1, "repeat": 9_000_000_000_000_000}
    said = {"section_kwargs": rule, "kind": "step", "events": [{"name": "light_on", "frame": 0}]}
    (folder / "step.yaml").write_text(json.dumps(said), encoding="utf-8")
    lengths = "movie_name,movie_length\nnoise,120\nstep,9000000000000000\n"
    (folder / "movie_length.csv").write_text(lengths, encoding="utf-8")
    return folder / "movie_length.csv"


def _greedy_patterns(room: Room) -> Path:
    path = room.inputs / STIMULI / "patterns.yaml"
    said = [{"pattern": f"{_PATTERN}b", "kind": "step"}]
    path.write_text(json.dumps(said), encoding="utf-8")
    _movie_called("a" * 190)(room)
    return path


_LIBRARY: dict[str, tuple[Callable[[Room], Path], bool]] = {
    "code in a list of movies": (_playlist(f"[{_CODE}]"), True),
    "code beside a list of movies": (_playlist(f"['step'] + [{_CODE}]"), True),
    "100,000 lists of movies in each other": (_playlist("[" * _DEEP + "]" * _DEEP), True),
    "100,000 signs before a movie": (_playlist("-" * _DEEP + "1"), True),
    "a list of movies with NUL": (_playlist("['a\0b']"), True),
    "JSON of 100,000 lists in each other": (
        lambda room: (_no_yaml(room), _file("step.json", "[" * _DEEP + "]" * _DEEP)(room))[1],
        True,
    ),
    "pickled frames": (_pickled, True),
    "a pickle that is called frames": (_plain_pickle, True),
    "code in the header of frames": (_header(f"{{'descr': {_CODE}}}"), True),
    "a header of frames of lists in each other": (_header("[" * 9000 + "]" * 9000), True),
    "frames of 800 TB": (_frames("(120, 1000000000, 10000)"), True),
    "frames of more bytes than there are numbers": (_frames(f"({2**62}, 8, 8)"), True),
    "frames of less than nothing": (_frames("(-120, 2, 2)"), True),
    "frames that are objects": (_frames("(120, 2, 2)", "|O"), True),
    "a link to the root of the file system": (_link_to_everything, False),
    "twenty folders by a million ways": (_many_folders, False),
    "a movie of 9e15 trials": (_long_movie, True),
    "a pattern with sixty stars": (_greedy_patterns, False),
}


def _no_yaml(room: Room) -> None:
    (room.inputs / STIMULI / "step.yaml").unlink()


# -- tables ----------------------------------------------------------------------------------------

_CELLS = {
    "a path with braces": "{recording}.cmtr",
    "a path with a wildcard of Snakemake": "{x,.*}.cmtr",
}


def _row(word: str) -> Callable[[Room], Path]:
    return _given(
        f"recording\tcmcr\tcmtr\tplaylist\n{word}\t{CMCR}\t{CMTR}\tboth\n", "recordings.tsv"
    )


def _file_cells(cell: str) -> Callable[[Room], Path]:
    return _given(f"recording\tcmcr\tcmtr\tplaylist\nrec\t{CMCR}\t{cell}\tboth\n", "recordings.tsv")


def _curated(word: str) -> Callable[[Room], Path]:
    return _given(f"recording\tunit_id\tuse\nrec\t{word}\tno\n", "units.tsv")


def _no_table(do: Callable[[Path], None]) -> Callable[[Room], Path]:
    def make(room: Room) -> Path:
        path = room.inputs / "table.tsv"
        do(path)
        return path

    return make
