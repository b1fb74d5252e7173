"""Write the table of all units of all recordings, and what its columns are."""

from _job import job

from hdmea.batch import made
from hdmea.pipeline import write_units_table

with job() as snakemake, made(snakemake.output.table):
    write_units_table(
        snakemake.input.sessions,
        snakemake.output.table,
        columns_path=snakemake.output.columns,
        parquet_path=snakemake.output.get("parquet"),
    )
