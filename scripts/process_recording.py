"""Deferred mode: process a recording in memory and write it once."""

from _job import job

from hdmea.batch import Recording, process, read_config

with job() as snakemake:
    config = read_config(snakemake.config)
    given = {role: snakemake.input.get(role) for role in ("cmcr", "cmtr")}
    files = {role: path for role, path in given.items() if path}
    process(
        config,
        Recording(snakemake.wildcards.recording, files, {}),
        snakemake.output.session,
        steps=snakemake.params.steps,
        checkpoints={step: snakemake.output[step] for step in config.checkpoints},
    )
