"""What users do with files that somebody gave them, by kind of file."""

from __future__ import annotations

import json

from faults.hostile.trial import Given, Way, say
from hdmea.batch import read_config, read_recordings
from hdmea.cli import main
from hdmea.mcs import describe, open_cmcr, read_cmtr, render
from hdmea.mcs.probe import probe_pair
from hdmea.pipeline import (
    PipelineSession,
    add_section_time,
    create_session,
    curate_units,
    load_recording,
)
from hdmea.stimulus.library import StimulusLibrary

SESSION, CMCR, CMTR, STIMULI = "session.h5", "rec.cmcr", "rec-.cmtr", "stimuli"
"""Names of the good files in a room's inputs."""
GOOD = "good.h5"
"""Another good session file, for who compares."""


def command(*words: str) -> Way:
    """The command line; ``FILE`` and ``GOOD`` stand for what was given and for a good one."""

    def way(given: Given) -> None:
        stand_for = {"FILE": str(given.path), "GOOD": str(given.room.inputs / GOOD)}
        code = main([stand_for.get(word, word) for word in words])
        # 1 is a difference, and 2 an error, as in diff
        raise SystemExit({1: 0, 2: 1}.get(code, code) if words[0] == "compare" else code)

    return way


def _load(given: Given) -> None:
    session = PipelineSession.load(given.path)
    for place in session.paths():
        session.values(place)
    say(repr(session))
    session._repr_html_()
    session.save(given.room.results / "saved.h5")


def _go_on(given: Given) -> None:
    """Save where the session is saved by default, in the working directory."""
    PipelineSession.load(given.path).save()


def _read_raw(given: Given) -> None:
    with open_cmcr(given.path) as recording:
        for stream in recording.analog:
            for start in (0, max(0, stream.n_samples - 10**6)):
                stream.block(0, start, min(start + 10**6, stream.n_samples))
        for sensor in recording.sensors:
            sensor.uv(0, min(10, sensor.shape[0]))
        say((recording.info, len(recording.digital_events.time_s)))
        if not recording.analog:  # which is said where a frame clock is looked for
            say(f"{given.path.name} has no analog stream")
            raise SystemExit(1)


def _read_sorted(given: Given) -> None:
    say(read_cmtr(given.path).unit_id)


def _describe(given: Given) -> None:
    for anonymous in (False, True):
        described = describe(given.path, anonymous=anonymous)
        json.dumps(described, allow_nan=False)
        say(render(described))


def _process(given: Given) -> None:
    """Load the pair, find what was shown, save."""
    session = create_session(
        "rec",
        cmcr_path=given.room.inputs / CMCR,
        cmtr_path=given.room.inputs / CMTR,
        stimuli_dir=given.room.inputs / STIMULI,
        output_dir=given.room.results,
    )
    load_recording(session=session, probe="off")
    add_section_time(session=session, playlist_name="both", alignment="warn")
    session.save()


def _probe(role: str) -> Way:
    def way(given: Given) -> None:
        say(probe_pair(given.path, None) if role == "cmcr" else probe_pair(None, given.path))

    return way


def _library(given: Given) -> None:
    library = StimulusLibrary(given.room.inputs / STIMULI)
    for playlist in library.playlist_names:
        movies = library.playlist(playlist)
        say([movie.digest() for movie in movies])
        say(library.geometry(movies))
        for movie in movies:
            if movie.frames_path is not None:
                say(movie.luminance().max())


def _table(given: Given) -> None:
    values = {
        "recordings": str(given.path),
        "stimuli": STIMULI,
        "steps": {"add_section_time": None},
    }
    say(list(read_recordings(read_config(values))))


def _curation(given: Given) -> None:
    session = PipelineSession.load(given.room.inputs / SESSION)
    curate_units(session=session, table=given.path)


def _configuration(given: Given) -> None:
    """As Snakemake reads it, which leaves what is said to the models."""
    import yaml

    try:
        values = yaml.safe_load(given.path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # Snakemake ends with it
        say(f"{given.path.name}: {type(error).__name__}")
        raise SystemExit(1) from error
    say(given.path.name)
    say(read_config(values))


def _id(given: Given) -> None:
    """The name of the file that is given holds the id."""
    name = given.path.read_bytes().decode("utf-8", "surrogateescape")
    create_session(name, output_dir=given.room.results).save()


def _stimuli_command(given: Given) -> None:
    said = main(["stimuli", "check", str(given.room.inputs / STIMULI)])
    say(given.path.name)
    raise SystemExit(said)


def _commands(*lines: str) -> dict[str, Way]:
    return {line: command(*line.split()) for line in lines}


_SESSION: dict[str, Way] = {
    "load": _load,
    **_commands(
        "verify FILE", "verify --inputs FILE", "inspect FILE", "inspect --json FILE",
        "inspect --anonymous FILE", "summary FILE", "table FILE -o units.csv",
        "compare FILE GOOD",
    ),
}  # fmt: skip
WAYS: dict[str, dict[str, Way]] = {
    "session file": _SESSION,
    "content": {
        **_SESSION,
        "go on": _go_on,
        "picture": command("picture", "FILE", "-o", "picture.png"),
    },
    ".cmcr": {
        "read": _read_raw, "describe": _describe, "process": _process, "probe": _probe("cmcr"),
    },
    ".cmtr": {
        "read": _read_sorted, "describe": _describe, "process": _process, "probe": _probe("cmtr"),
    },
    "old result": _commands("compare FILE GOOD", "compare --json FILE GOOD"),
    "library": {"read": _library, "process": _process, "stimuli check": _stimuli_command},
    "table": {"recordings": _table},
    "curation": {"curate": _curation},
    "configuration": {"read": _configuration},
    "id": {"session": _id},
}  # fmt: skip
"""What is done with each kind of file."""
ONLY_TELL = {"describe", "probe"}
"""Ways that tell of a file and give no values of it: what they pass over is not lost on anyone."""
