"""Immediate mode: put the parts of a recording together as its session file."""

from _job import job

from hdmea.pipeline import assemble

with job() as snakemake:
    assemble(snakemake.input.parts, snakemake.output.session)
