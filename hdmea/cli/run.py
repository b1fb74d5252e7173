"""``hdmea run``: one recording, without a workflow."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hdmea.errors import HdmeaError, ParameterError
from hdmea.terminal import say


def describe(parser: argparse.ArgumentParser) -> None:
    """Say which words the command takes."""
    parser.add_argument(
        "files", metavar="FILE", type=Path, nargs="+", help="the .cmcr, the .cmtr, or both"
    )
    parser.add_argument("--playlist", metavar="NAME", help="the playlist that was shown")
    parser.add_argument(
        "--config",
        metavar="YAML",
        type=Path,
        help="steps, parameters and folders, as the workflow has them; default: all steps with "
        "their defaults, into results/",
    )
    parser.add_argument(
        "--stimuli",
        metavar="FOLDER",
        type=Path,
        help="the stimulus library, without a configuration; default: HDMEA_STIMULI",
    )
    parser.add_argument(
        "--name",
        metavar="ID",
        dest="recording",
        help="of the recording and its files (default: from the names of FILE)",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="STEP",
        action="append",
        default=[],
        help="write a whole session file after this step as well; may be repeated",
    )
    parser.add_argument("-o", "--output", metavar="H5", type=Path, help="the session file")
    parser.epilog = (
        "Ctrl-C and SIGTERM end it at the next safe point (exit code 130, 143); the same command "
        "goes on there."
    )


def run(options: argparse.Namespace) -> int:
    """Process the recording and say a line about it."""
    import logging

    from hdmea.batch import config_of_file, default_config, one_recording, process
    from hdmea.export.summary import summary_line

    if options.config is not None and options.stimuli is not None:
        # Cause: the folder of stimuli would be told twice, as a configuration names its own.
        raise ParameterError("--stimuli and --config are both given; give one of them")
    if options.config is not None:
        config = config_of_file(options.config)
    else:
        config = default_config(options.stimuli)
    recording = one_recording(
        config, options.files, name=options.recording, playlist=options.playlist
    )
    after = (*config.checkpoints, *options.checkpoint)
    output = options.output or config.results_dir / f"{recording.name}.h5"
    # a bar is for people; in a log each step has its line
    on_terminal = sys.stderr.isatty()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("hdmea").setLevel(logging.WARNING if on_terminal else logging.INFO)
    try:
        process(
            config,
            recording,
            output,
            checkpoints={
                step: output.parent / "checkpoints" / f"{recording.name}.after_{step}.h5"
                for step in after
            },
            progress=on_terminal,
        )
    except HdmeaError:
        if output.exists():
            print(f"hdmea run: {output} is as it was", file=sys.stderr)
        raise
    say(summary_line(output))
    say(f"wrote {output}")
    return 0
