"""Fail for a recording whose results are not what was saved, so that the others go on."""

from _job import job

from hdmea.batch import Past, read_config, read_recordings

with job() as snakemake:
    config = read_config(snakemake.config)
    name = snakemake.wildcards.recording
    recordings = [found for found in read_recordings(config).values() if found.name == name]
    Past(config).require_whole(recordings, table=not recordings)
