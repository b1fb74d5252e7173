"""Draw the picture of a recording."""

from _job import job

from hdmea.pipeline import draw_overview

with job() as snakemake:
    draw_overview(snakemake.input.session, snakemake.output.picture)
