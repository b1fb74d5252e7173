"""The command ``hdmea``: a thin layer over the library, a function per sub-command.

Nothing heavy is imported before a sub-command runs, so that ``hdmea --help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hdmea import __version__
from hdmea.cli import batch, clean, discover, doctor, plan, run
from hdmea.errors import HdmeaError, ParameterError, SessionFileError
from hdmea.interruption import RunInterrupted
from hdmea.terminal import say, shown

_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments
        Words of the command line; default those of the process.

    Returns
    -------
    int
        0 when all went well, 1 on an error that was explained on standard error (``compare``: 1
        for a difference, 2 for an error), 130 when interrupted, 141 when nobody reads the output
        any more. Wrong usage leaves with 2.
    """
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        code = command(options)
        sys.stdout.flush()
    except HdmeaError as error:
        _complain(options, error)
        return int(options.failed)
    except RunInterrupted as interrupted:
        print(
            f"hdmea {options.name}: {interrupted}; what was done is kept, and the same command "
            "goes on from there",
            file=sys.stderr,
        )
        return interrupted.exit_code
    except KeyboardInterrupt:
        print(f"hdmea {options.name}: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # What is still buffered has nowhere to go; Python would try again, and complain, at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except OSError as error:
        _complain(options, error)
        return int(options.failed)
    return code


def _complain(options: argparse.Namespace, error: HdmeaError | OSError) -> None:
    """Say an error on standard error; one of the system's tells its file and reason."""
    said = str(error)
    if isinstance(error, OSError) and not isinstance(error, HdmeaError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        said = where + error.strerror
    print(f"hdmea {options.name}: {shown(said)}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hdmea",
        description="From CMOS-MEA recordings of the retina to one analysed file each.",
        epilog="hdmea COMMAND --help explains each command.",
    )
    parser.add_argument("--version", action="version", version=f"hdmea {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(
        name: str, command: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=command, name=name, failed=1)
        return added

    one = add("simulate", _simulate, "write simulated recordings and the stimuli they saw")
    one.add_argument("folder", metavar="FOLDER", type=Path, help="where to write")
    one.add_argument("--recordings", type=int, default=3, help="how many (default: 3)")
    one.add_argument("--units", type=int, default=48, help="units in each (default: 48)")
    one.add_argument("--seed", type=int, default=1, help="same seed, same data (default: 1)")
    one.add_argument("--playlist", default="short", help="tiny, brief, short (default) or full")

    discover.describe(add("discover", discover.discover, "table the recordings in a folder"))
    doctor.describe(add("doctor", doctor.doctor, "say whether this computer can do a batch"))
    run.describe(add("run", run.run, "process one recording"))

    plan.describe(add("plan", plan.plan, "say what a run would do again, and why"))
    batch.describe(add("batch", batch.batch, "say how it went with every recording of a batch"))
    clean.describe(add("clean", clean.clean, "say what lies in work folders, and remove it"))

    one = add("inspect", _inspect, "say what a .cmcr, .cmtr or session file holds")
    one.add_argument("file", metavar="FILE", type=Path)
    one.add_argument("--json", action="store_true", help="as JSON, for programs")
    one.add_argument(
        "--anonymous",
        action="store_true",
        help="structure only: names, shapes, types and units; no data, recordings, dates or paths",
    )

    one = add("verify", _verify, "check that session files hold what was saved")
    _add_files(one)
    one.add_argument(
        "--inputs",
        action="store_true",
        help="also compare recordings, stimuli and tables with those that a file was made from",
    )
    one.add_argument(
        "--moved-to",
        metavar="FOLDER",
        type=Path,
        action="append",
        default=[],
        help="where to look for inputs that are no longer where they were; may be repeated",
    )
    one.add_argument(
        "--stimuli", metavar="FOLDER", type=Path, help="the stimulus library, if it was moved"
    )
    one.epilog = "Exit code: 0 if all is as it was, 1 if something was changed or is missing."

    one = add("compare", _compare, "say whether two results are the same, and where they differ")
    kinds = "session file, old result file, folder of these, or table of units"
    one.add_argument("a", metavar="A", type=Path, help=kinds)
    one.add_argument("b", metavar="B", type=Path, help="another of that kind")
    one.add_argument(
        "--rtol",
        type=float,
        default=1e-9,
        help="relative tolerance of what is not compared exactly (default: 1e-9)",
    )
    one.add_argument("--atol", type=float, default=0.0, help="absolute tolerance (default: 0)")
    one.add_argument(
        "--tolerance-for-all",
        action="store_true",
        help="tolerances hold for spike times, sections, counts and STAs, too",
    )
    one.add_argument("--json", action="store_true", help="as JSON, for programs")
    one.epilog = "Exit code: 0 equal, 1 different, 2 could not be compared."
    one.set_defaults(failed=2)

    one = add("stimuli", _stimuli, "check a stimulus library, and draft what it lacks")
    tasks = one.add_subparsers(title="tasks", metavar="TASK", required=True)
    text = "say what is known of every movie, what is missing, and draft it"
    one = tasks.add_parser("check", help=text, description=text)
    one.add_argument("folder", metavar="FOLDER", type=Path, help="the stimulus library")
    one.add_argument("--playlist", metavar="NAME", help="only the movies of this playlist")
    one.add_argument(
        "--photodiode",
        metavar="FILE.h5",
        type=Path,
        help="session file of a recording of the playlist, from whose light onsets are proposed "
        "for movies without frames",
    )
    one.add_argument("--json", action="store_true", help="as JSON, for programs")
    one.epilog = "Exit code: 0 if everything resolves, 1 if something is missing or wrong."

    one = add("summary", _summary, "say in a line per recording what its session file holds")
    _add_files(one)

    one = add("table", _table, "write one table of the included units of all recordings")
    _add_files(one)
    one.add_argument("-o", "--output", metavar="CSV", type=Path, required=True)
    one.add_argument(
        "--all", action="store_true", help="excluded units too, with the columns that say why"
    )

    one = add("picture", _picture, "draw the overview of a recording")
    one.add_argument("file", metavar="FILE", type=Path, help="session file")
    one.add_argument("-o", "--output", metavar="PNG", type=Path, required=True)
    return parser


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", metavar="FILE", type=Path, nargs="+", help="session file, or a folder of them"
    )


def _session_files(given: Sequence[Path]) -> list[Path]:
    """The files, and in place of each folder its ``.h5`` files in the order of their names."""
    files: list[Path] = []
    for path in given:
        inside = sorted(path.glob("*.h5")) if path.is_dir() else [path]
        if not inside:
            # Cause: another folder was meant, or nothing has been made in it yet.
            raise ParameterError(
                f"{path} is a folder without session files (*.h5); give one that has some"
            )
        files += inside
    return files


def _simulate(options: argparse.Namespace) -> int:
    from hdmea.simulate import simulate_dataset

    n = options.recordings
    if options.seed < 0:
        # Cause: a negative number was given.
        raise ParameterError(f"--seed must be 0 or more, got {options.seed}")
    if options.folder.exists() and not options.folder.is_dir():
        # Cause: a file of that name is in the way.
        raise ParameterError(f"{options.folder} is a file; give a folder to write into")
    say(f"simulating {n} recording{'s' if n != 1 else ''} into {options.folder}")
    dataset = simulate_dataset(
        options.folder,
        recordings=n,
        units=options.units,
        seed=options.seed,
        playlist=options.playlist,
        progress=lambda line: say(f"  {line}"),
    )
    say("wrote")
    say(f"  {dataset.stimuli_path}: the stimulus library")
    for files in dataset.recordings.values():
        say(f"  {files.cmcr_path}, {files.cmtr_path.name}, {files.truth_csv_path.name}")
    say(f"  {dataset.table_path}: the table of the recordings")
    return 0


def _inspect(options: argparse.Namespace) -> int:
    import json

    from hdmea.store.describe import describe_session, is_session_file, render_session

    # A file that is called a recording is opened nowhere but in a process of its own.
    if options.file.suffix not in (".cmcr", ".cmtr") and is_session_file(options.file):
        described = describe_session(options.file, anonymous=options.anonymous)
        render = render_session
    else:
        from hdmea.mcs import inspect_file
        from hdmea.mcs import render as render_recording

        described = inspect_file(options.file, anonymous=options.anonymous)
        render = render_recording
    say(json.dumps(described, indent=2, allow_nan=False) if options.json else render(described))
    return 0


def _verify(options: argparse.Namespace) -> int:
    from hdmea.store.verify import verify

    if (options.moved_to or options.stimuli) and not options.inputs:
        # Cause: the options were given without the one that they belong to.
        raise ParameterError("--moved-to and --stimuli say where inputs are; add --inputs")
    wrong = 0
    for path in _session_files(options.files):
        try:
            found = verify(path)
        except SessionFileError as error:
            say(f"{path}: DAMAGED: {error}")
            wrong += 1
            continue
        except (HdmeaError, OSError) as error:  # not there, or not to be read
            _complain(options, error)
            wrong += 1
            continue
        if found.is_good:
            say(f"{path}: good ({found.n_datasets} datasets, content {found.content_digest})")
            if options.inputs:
                wrong += _verify_inputs(path, options.moved_to, options.stimuli)
        else:
            say(f"{path}: DAMAGED: {', '.join(name for name, _ in found.damaged)}")
            wrong += 1
    return min(wrong, 1)


def _verify_inputs(path: Path, moved_to: Sequence[Path], stimuli: Path | None) -> int:
    """Say a line about each input of a session file; how many are not as they were."""
    from hdmea.session import PipelineSession
    from hdmea.steps.sources import verify_inputs

    try:
        session = PipelineSession.load(path)
    except SessionFileError as error:  # a part, which is no whole session
        say(f"  inputs: {error}")
        return 1
    sources = verify_inputs(session, moved_to=moved_to, stimuli_dir=stimuli)
    for source in sources:
        say(f"  {source}")
    return sum(source.state != "same" for source in sources)


def _compare(options: argparse.Namespace) -> int:
    import json

    from hdmea.compare.comparing import compare
    from hdmea.compare.report import as_text

    found = compare(
        options.a,
        options.b,
        rtol=options.rtol,
        atol=options.atol,
        tolerance_for_all=options.tolerance_for_all,
    )
    if options.json:
        say(json.dumps(found.as_plain(), indent=2, allow_nan=False))
    else:
        say(as_text(found))
    return found.exit_code


def _stimuli(options: argparse.Namespace) -> int:
    import json

    from hdmea.stimulus.check.checks import check_library
    from hdmea.stimulus.check.report import render_check
    from hdmea.stimulus.library import StimulusLibrary

    library, light = StimulusLibrary(options.folder), None
    if options.photodiode is not None:
        from hdmea.stimulus.check.recorded import recorded_light
        from hdmea.store.reader import SessionFile

        if options.playlist is None:
            # Cause: the options were given without the one that they need.
            raise ParameterError("--photodiode needs --playlist: the playlist that was shown")
        with SessionFile(options.photodiode) as file:
            name = options.photodiode.name
            light = recorded_light(name, file.read, file.entries, library, options.playlist)
    report = check_library(library, options.playlist, light)
    say(json.dumps(report.as_json(), indent=2) if options.json else render_check(report))
    return 0 if report.is_good else 1


def _summary(options: argparse.Namespace) -> int:
    from hdmea.export.summary import summary_line

    failed = 0
    for path in _session_files(options.files):
        try:
            line = summary_line(path)
        except (HdmeaError, OSError) as error:  # one bad file must not hide the others
            _complain(options, error)
            failed = 1
        else:
            say(line)
    return failed


def _table(options: argparse.Namespace) -> int:
    from hdmea.export.tables import write_units_table

    files = _session_files(options.files)
    say(f"wrote {write_units_table(files, options.output, all_units=options.all)}")
    return 0


def _picture(options: argparse.Namespace) -> int:
    from hdmea.report.overview import draw_overview

    say(f"wrote {draw_overview(options.file, options.output)}")
    return 0
