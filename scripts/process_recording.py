"""Deferred mode: process a recording in memory, write it once, and draw its picture."""

from pathlib import Path

from _job import draw, job

from hdmea.batch import Recording, process, read_config

with job() as snakemake:
    config = read_config(snakemake.config)
    session, log = Path(snakemake.output.session), Path(snakemake.log[0])
    picture = session.with_name(f"{snakemake.wildcards.recording}.png")
    picture.unlink(missing_ok=True)  # of the result that is replaced
    given = {role: snakemake.input.get(role) for role in ("cmcr", "cmtr")}
    files = {role: path for role, path in given.items() if path}
    process(
        config,
        Recording(snakemake.wildcards.recording, files, {}),
        session,
        steps=snakemake.params.steps,
        checkpoints={step: snakemake.output[step] for step in config.checkpoints},
    )
if not config.draws_apart:
    draw(session, picture, log.with_name("overview.log"))
