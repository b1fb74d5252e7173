"""Write the page of all recordings, and make sure that they have their pictures."""

from _job import job

from hdmea.batch import batch_rows, read_config, read_recordings, require_pictures, write_batch_page

with job() as snakemake:
    config = read_config(snakemake.config)
    names = list(read_recordings(config))
    write_batch_page(config, batch_rows(config, names))
    require_pictures(config, names)
