# Configuration, table of recordings, and what several rules share.
#
# Jobs run in the environment in which snakemake was started. The rules' `conda: environment.yml`
# says what is in it, as `snakemake --lint` asks; it has no effect without --sdm conda.

import sys
import time
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version, validate

from hdmea.batch import (
    HdmeaError,
    all_steps,
    movie_digests,
    parts_of,
    parts_until,
    read_config,
    read_recordings,
    require_inputs,
    same_files,
)
from hdmea.pipeline import summary_line

min_version("9.0")


configfile: "config/config.yaml"


# The models say all that is wrong, in a line each, and take the texts that --config makes of numbers.
# What they made of it is then held against the schema that is published.
try:
    CONFIG = read_config(config)
    RECORDINGS = read_recordings(CONFIG)
except HdmeaError as error:
    raise WorkflowError(str(error)) from error
validate(
    CONFIG.model_dump(mode="json", exclude_none=True),
    "../schemas/config.schema.yaml",
    set_default=False,
)

PARTS = parts_of(CONFIG)
OUT, STEPS = CONFIG.output_dir, CONFIG.steps_dir
STARTED = time.time()


wildcard_constraints:
    recording=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    feature="|".join(CONFIG.features) or "none",
    step="|".join(CONFIG.chosen_steps),


@cache
def inputs_are_there():
    """Say all that is missing at once, before the first job; not when rules are only looked at."""
    try:
        require_inputs(CONFIG, RECORDINGS)
    except HdmeaError as error:
        raise WorkflowError(str(error)) from error


def all_results(wildcards):
    inputs_are_there()
    return [
        *expand(f"{OUT}/{{recording}}.h5", recording=RECORDINGS),
        *expand(f"{OUT}/{{recording}}.png", recording=RECORDINGS),
        *expand(
            f"{OUT}/checkpoints/{{recording}}.after_{{step}}.h5",
            recording=RECORDINGS,
            step=CONFIG.checkpoints,
        ),
        f"{OUT}/units.csv",
    ]


def recording_of(wildcards):
    try:
        return RECORDINGS[wildcards.recording]
    except KeyError:
        raise WorkflowError(
            f"{wildcards.recording} is not in {CONFIG.recordings}"
        ) from None


def recording_files(wildcards):
    """Files of a recording, by role. Ancient: they do not change, and copying renews their times."""
    return {role: ancient(path) for role, path in recording_of(wildcards).files.items()}


def named_files(*steps):
    """Files that parameters of steps name. Ancient: their digests are in the definition."""
    return lambda wildcards: [
        ancient(path)
        for step in steps
        for path in recording_of(wildcards).input_files(step).values()
    ]


@cache
def part_definition(part, name):
    try:
        return PARTS[part].definition(RECORDINGS[name])
    except HdmeaError as error:
        raise WorkflowError(f"{name}: {error}") from error


def definition(*parts):
    """What decides the content of parts of a recording, and nothing else."""
    return lambda wildcards: {
        part: part_definition(part, wildcards.recording)
        for part in (name.format(**wildcards) for name in parts)
    }


def with_threads(values, threads):
    return values | ({"threads": threads} if "threads" in values else {})


def parameters(part):
    """All parameters of a part's step. Some change no result, so they must redo nothing: what
    depends on threads is not compared by Snakemake, and what does count is in the definition.
    """

    def of(wildcards, threads):
        values = PARTS[part.format(**wildcards)].parameters(recording_of(wildcards))
        return with_threads(values, threads)

    return of


def parameters_of_all_steps(wildcards, threads):
    steps = all_steps(CONFIG, recording_of(wildcards))
    return {step: with_threads(values, threads) for step, values in steps.items()}


@cache
def digests_of(playlist):
    return movie_digests(CONFIG, playlist)


def movies(wildcards):
    """The movies as they were shown: an edited one counts, one that was only copied does not."""
    playlist = recording_of(wildcards).playlist
    return [] if playlist is None else digests_of(playlist)


def part_files(names):
    return [f"{STEPS}/{{recording}}/{name}.h5" for name in names]


def needed(part):
    """Immediate mode: files of the parts that a part is made from."""
    return part_files(PARTS[part].needs) if part in PARTS else []


def feature_needs(wildcards):
    return needed(f"features.{wildcards.feature}")


def parts_so_far(wildcards):
    return part_files(parts_until(CONFIG, wildcards.step))


def step_file(name):
    path = f"{STEPS}/{{recording}}/{name}.h5"
    return path if CONFIG.keep_steps else temp(path)


def checkpoint_outputs():
    """Deferred mode: checkpoints are files that the one job of a recording writes on its way."""
    return {
        step: f"{OUT}/checkpoints/{{recording}}.after_{step}.h5"
        for step in CONFIG.checkpoints
    }


def memory_mb(times_input):
    """Memory of a job: Snakemake and the libraries, some for each MB of input, more on a retry.

    The raw file does not count: it is read in blocks.
    """

    def needed(wildcards, input, attempt):
        read_whole = [path for path in input if path != input.get("cmcr")]
        size_mb = sum(Path(path).stat().st_size for path in read_whole) / 1e6
        return int(attempt * (500 + times_input * size_mb))

    return needed


def threads_of(part):
    return PARTS[part].values.get("threads", 1) if part in PARTS else 1


def summaries():
    """A line for each recording that is done; a damaged file must not hide the others."""
    return [
        summary_or_error(path)
        for name in RECORDINGS
        if (path := Path(OUT, f"{name}.h5")).exists()
    ]


def summary_or_error(path):
    try:
        return summary_line(path)
    except HdmeaError as error:
        return f"{path.stem}: CANNOT BE READ: {error}"


def failures():
    """A line for each job of this run that did not end well: its last words, and its log."""
    lines = []
    for log in sorted(Path(OUT, "logs").rglob("*.log")):
        said = log.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
        if log.stat().st_mtime >= STARTED and not said[-1].endswith(" DONE"):
            errors = [i for i, line in enumerate(said) if " ERROR " in line] or [-1]
            lines += [
                f"FAILED: {said[errors[-1]]}",
                *said[errors[-1] :][1:],
                f"  read {log}",
            ]
    return lines


def tell(lines):
    print(*lines, sep="\n", file=sys.stderr, flush=True)
