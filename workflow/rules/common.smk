# Configuration, table of recordings, and what several rules share.
#
# Jobs run in the environment in which snakemake was started. The rules' `conda: environment.yml`
# says what is in it, as `snakemake --lint` asks; it has no effect without --sdm conda.

import os
import sys
import time
from contextlib import suppress
from functools import cache
from inspect import signature
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version, validate

from hdmea.batch import (
    BATCH_PAGE,
    COLUMNS,
    PARQUET,
    TABLE,
    HdmeaError,
    Past,
    all_steps,
    batch_rows,
    be_the_only_run,
    few,
    forecast,
    in_total,
    last_result,
    in_short,
    job_memory_mb,
    job_runtime_min,
    larger_than_computer,
    made,
    movie_digests,
    parts_of,
    parts_until,
    pass_sigterm_on,
    read_config,
    read_recordings,
    require_inputs,
    require_past,
    same_files,
    seen,
    unread_curation,
    write_batch_page,
    write_batch_table,
)
from hdmea.pipeline import summary_line, write_units_table

min_version("9.0")

# Of a job's own Snakemake: its script is to hear of the end.
if not workflow.is_main_process:
    pass_sigterm_on()


configfile: "config/config.yaml"


# The models say all that is wrong, in a line each, and take the texts that --config makes of numbers.
# What they made of it is then held against the schema that is published, which knows no features of
# other packages.
try:
    CONFIG = read_config(config)
    RECORDINGS = read_recordings(CONFIG)
except HdmeaError as error:
    raise WorkflowError(str(error)) from error
validate(
    CONFIG.as_published(),
    "../schemas/config.schema.yaml",
    set_default=False,
)

PARTS, PAST = parts_of(CONFIG), Past(CONFIG)
OUT, STEPS = str(CONFIG.results_dir), str(CONFIG.parts_dir)
STARTED = time.time()
REFUSED = (
    {}
)  # what is wrong with results that are not what was saved, by recording or table


wildcard_constraints:
    recording=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    feature="|".join(CONFIG.features) or "none",
    step="|".join(CONFIG.chosen_steps),


@cache
def nobody_else_is_running():
    """Runs that are started in other folders may have the same results."""
    runs_jobs = workflow.execution_settings is not None and not workflow.dryrun
    if workflow.is_main_process and runs_jobs:
        be_the_only_run([OUT, STEPS], lambda line: tell([line]))


@cache
def inputs_are_there():
    """Say all that is missing at once, before the first job; not when rules are only looked at."""
    if not workflow.is_main_process:  # a job's own process, which has been told
        return
    try:
        require_inputs(CONFIG, RECORDINGS)
        require_past(RECORDINGS.values())
    except HdmeaError as error:
        raise WorkflowError(str(error)) from error
    nobody_else_is_running()
    tell(filter(None, [PAST.to_read(RECORDINGS.values())]))
    REFUSED.update(PAST.spoilt(RECORDINGS.values()))
    tell(remarks() + too_large() + PAST.changed(RECORDINGS.values()))
    if workflow.dryrun:
        found = [foretell(name) for name in RECORDINGS if name not in REFUSED]
        tell([in_total(found)])


@cache
def foretell(name):
    """Before anything runs: what is going to be made of a recording, why, and what is read."""
    found = forecast(CONFIG, RECORDINGS[name])
    tell(found.lines)
    return found


def remarks():
    """What is odd about the inputs, and no error."""
    return same_files(RECORDINGS) + unread_curation(CONFIG)


def too_large():
    """Jobs that ask for more memory than this computer has, where it is this one that runs them."""
    if not workflow.local_exec:
        return []
    largest = "process_recording" if CONFIG.mode == "deferred" else "load_recording"
    sizes = {
        name: os.stat(path).st_size
        for name, recording in RECORDINGS.items()
        if (path := recording.files.get("cmtr"))
    }
    asked = {name: job_memory_mb(largest, [size]) for name, size in sizes.items()}
    return larger_than_computer(asked)


def all_sessions(wildcards):
    """In place of a result that is not what was saved: the job that says so, and fails."""
    inputs_are_there()
    return [
        f"{OUT}/.refused/{name}" if name in REFUSED else f"{OUT}/{name}.h5"
        for name in RECORDINGS
    ]


def all_results(wildcards):
    """The table is made of all sessions, the page after it: thousands of inputs cost seconds."""
    sessions = all_sessions(wildcards)
    if TABLE in REFUSED:
        last = [*sessions, f"{OUT}/.refused/{TABLE}"]
    else:
        names = [TABLE, COLUMNS, BATCH_PAGE] + [PARQUET] * CONFIG.units_parquet
        last = [f"{OUT}/{name}" for name in names]
    return [
        *pictures_to_draw(wildcards),
        *expand(
            f"{OUT}/checkpoints/{{recording}}.after_{{step}}.h5",
            recording=not_refused(),
            step=CONFIG.checkpoints,
        ),
        *last,
    ]


def pictures_to_draw(wildcards):
    """Pictures that are jobs of their own; in deferred mode those that went missing, or failed."""
    inputs_are_there()
    if CONFIG.draws_apart:
        return [f"{OUT}/{name}.png" for name in not_refused()]
    sessions = {path.stem for path in Path(OUT).glob("*.h5")}
    pictures = {path.stem for path in Path(OUT).glob("*.png")}
    return [
        f"{OUT}/{name}.png" for name in not_refused() if name in sessions - pictures
    ]


def parquet_output():
    return {"parquet": f"{OUT}/{PARQUET}"} if CONFIG.units_parquet else {}


def in_report(picture):
    """Some 0.2 MB each: taken in where the configuration asks for it."""
    if not CONFIG.pictures_in_report:
        return picture
    return report(
        picture,
        caption="../report/overview.rst",
        category="Recordings",
        labels={"recording": "{recording}"},
    )


def not_refused():
    return [name for name in RECORDINGS if name not in REFUSED]


def asked_often(function):
    """Snakemake asks for a function's signature some times a job: here it is found once."""
    function.__signature__ = signature(function)
    return function


def recording_of(wildcards):
    try:
        return RECORDINGS[wildcards.recording]
    except KeyError:
        raise WorkflowError(
            f"{wildcards.recording} is not in {CONFIG.recordings}"
        ) from None


@asked_often
def recording_files(wildcards):
    """Files of a recording, by role. Ancient: copying renews their times; that their content changed
    is in the definition of what is made from them.
    """
    return {role: ancient(path) for role, path in recording_of(wildcards).files.items()}


def named_files(*steps):
    """Files that parameters of steps name. Ancient: their digests are in the definition."""
    return asked_often(
        lambda wildcards: [
            ancient(path)
            for step in steps
            for path in recording_of(wildcards).input_files(step).values()
        ]
    )


@cache
def stamps_of(name):
    """Of a recording's files; where `rule all` did not ask for all, what it asks, of this one."""
    if not workflow.is_main_process:
        return {}
    if not inputs_are_there.cache_info().currsize:
        nobody_else_is_running()
        require_past([RECORDINGS[name]])
        PAST.require_whole([RECORDINGS[name]])
        if workflow.dryrun:
            foretell(name)
    return PAST.stamps(RECORDINGS[name])


@cache
def part_definition(part, name):
    try:
        return PARTS[part].definition(RECORDINGS[name], stamps_of(name))
    except HdmeaError as error:
        raise WorkflowError(f"{name}: {error}") from error


def definition(*parts):
    """What decides the content of parts of a recording, and nothing else."""
    return asked_often(
        lambda wildcards: {
            part: part_definition(part, wildcards.recording)
            for part in (name.format(**wildcards) for name in parts)
        }
    )


def with_threads(values, threads):
    return values | ({"threads": threads} if "threads" in values else {})


def parameters(part):
    """All parameters of a part's step. Some change no result, so they must redo nothing: what
    depends on threads is not compared by Snakemake, and what does count is in the definition.
    """

    def of(wildcards, threads):
        values = PARTS[part.format(**wildcards)].parameters(recording_of(wildcards))
        return with_threads(values, threads)

    return asked_often(of)


@asked_often
def parameters_of_all_steps(wildcards, threads):
    steps = all_steps(CONFIG, recording_of(wildcards))
    return {step: with_threads(values, threads) for step, values in steps.items()}


@cache
def digests_of(playlist):
    return movie_digests(CONFIG, playlist)


@asked_often
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


def memory_mb(rule):
    """Memory of a job by the sizes of its inputs; the raw file is read in blocks."""

    def needed(wildcards, input, attempt):
        return job_memory_mb(rule, sizes_read(wildcards, input)[0], attempt=attempt)

    return asked_often(needed)


def runtime_min(rule):
    """Minutes of a job, for clusters, by the sizes of its inputs."""

    def needed(wildcards, input, attempt):
        read, raw_bytes = sizes_read(wildcards, input)
        return job_runtime_min(rule, read, raw_bytes=raw_bytes, attempt=attempt)

    return asked_often(needed)


def sizes_read(wildcards, input):
    """Bytes of each file that is read whole, and of the raw file.

    A cluster is told before there are parts, where all jobs of a recording are one of its jobs: then
    those that are missing are taken to be as large, together, as the sorted file.
    """
    raw = input.get("cmcr")
    sizes = {path: os.stat(path).st_size for path in input if os.path.exists(path)}
    raw_bytes = sizes.pop(raw, 0)
    if any(path not in sizes and path != raw for path in input):
        sorted_file = recording_of(wildcards).files.get("cmtr")
        if sorted_file and sorted_file not in sizes:
            sizes[sorted_file] = os.stat(sorted_file).st_size
    return list(sizes.values()), raw_bytes


def threads_of(part):
    return PARTS[part].values.get("threads", 1) if part in PARTS else 1


def feature_threads(wildcards):
    return threads_of(f"features.{wildcards.feature}")


def sessions_done():
    """Session files that are as configured: none that a job of this run was yet to make."""
    undone = {str(file) for job in workflow.dag.needrun_jobs() for file in job.output}
    sessions = (f"{OUT}/{name}.h5" for name in RECORDINGS if name not in REFUSED)
    return [
        Path(path) for path in sessions if path not in undone and Path(path).exists()
    ]


def tell_the_end(failed=False):
    """A line for each recording that is done; a damaged file must not hide the others."""
    told, readable = remarks(), []
    for path in sessions_done():
        try:
            told.append(seen(path, "summary", summary_line))
            readable.append(path)
        except HdmeaError as error:
            told.append(f"{path.stem}: CANNOT BE READ: {error}")
    if failed:
        told += table_of(readable) + failures() + earlier_results()
    tell(told + batch_told(failed))


def table_of(sessions):
    """After a failure: the table of all units without the recordings that are not done."""
    table = Path(OUT, TABLE)
    if not sessions or TABLE in REFUSED:
        return [f"{table} is of an earlier run"] if table.exists() else []
    try:
        with made(table):
            write_units_table(
                sessions,
                table,
                columns_path=Path(OUT, COLUMNS),
                parquet_path=parquet_output().get("parquet"),
            )
    except HdmeaError as error:
        return [f"{table} was not written: {error}"]
    date_before(table, sessions)
    return [f"{table} has {len(sessions)} of {len(RECORDINGS)} recordings"]


def date_before(path, sessions):
    """So that Snakemake makes a file anew when all sessions are there."""
    if sessions:
        before = min(session.stat().st_mtime for session in sessions) - 1
        os.utime(path, (before, before))


def failures():
    """A line for each job of this run that did not end well: its last words, and its log."""
    lines = []
    for log in sorted(Path(OUT, "logs").rglob("*.log")):
        said = log.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
        if log.stat().st_mtime < STARTED or said[-1].endswith(" DONE"):
            continue
        if said == [""]:
            lines.append(
                f"FAILED: {log} is empty: its job has not begun, or was ended at once"
            )
        else:
            errors = [i for i, line in enumerate(said) if " ERROR " in line] or [-1]
            lines += [
                f"FAILED: {said[errors[-1]]}",
                *said[errors[-1] :][1:],
                f"  read {log}",
            ]
    return lines


def earlier_results():
    """Where last time's result is of recordings whose new one was not made."""
    done = {path.stem for path in sessions_done()}
    places = {
        name: last_result(CONFIG, name)
        for name in RECORDINGS
        if name not in done and name not in REFUSED
    }
    return [
        f"{name}: last time's result is {path}" for name, path in places.items() if path
    ]


def batch_told(failed):
    """How it went with all recordings, also those of earlier runs; no job runs any more."""
    rows = batch_rows(CONFIG, RECORDINGS, all_ended=True)
    try:
        if failed:
            date_before(write_batch_page(CONFIG, rows), sessions_done())
        told = f"{in_short(rows)}; see {write_batch_table(CONFIG, rows)}"
        return [told, *how_to_go_on(rows)]
    except HdmeaError as error:
        return [in_short(rows), f"the table of recordings was not written: {error}"]


def how_to_go_on(rows):
    """What to do about the recordings that are not done."""
    undone = [row.recording for row in rows if row.state in ("failed", "killed")]
    if not undone:
        return []
    return [
        "Remove the causes and start snakemake again: only what is missing is done. Or leave them "
        f"out: exclude: [{few(undone, 20)}]"
    ]


def tell(lines):
    """At once, so that lines of other processes do not stand between."""
    if said := "".join(f"{line}\n" for line in lines):
        print(said, end="", file=sys.stderr, flush=True)
