"""Immediate mode: put the parts of a recording together as its session file."""

from _job import job

from hdmea.batch import read_config
from hdmea.pipeline import assemble

with job() as snakemake:
    config = read_config(snakemake.config)
    assemble(
        snakemake.input.parts,
        snakemake.output.session,
        work_dir=config.work_folder(snakemake.wildcards.recording),
        tag=config.tag or "",
    )
