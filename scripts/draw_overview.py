"""Draw the picture of a recording."""

from _job import job

from hdmea.batch import made
from hdmea.pipeline import draw_overview

with job() as snakemake, made(snakemake.output.picture):
    draw_overview(snakemake.input.session, snakemake.output.picture)
