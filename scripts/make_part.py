"""Immediate mode: run one step, or one feature, on the parts it needs and write what it adds."""

from _job import job

from hdmea.batch import parts_of, read_config
from hdmea.pipeline import run_part

with job() as snakemake:
    config = read_config(snakemake.config)
    part = parts_of(config)[snakemake.params.part]
    parameters = part.parameters(snakemake.params.playlist)
    if "threads" in parameters:
        parameters["threads"] = snakemake.threads
    run_part(
        part.step,
        parameters,
        snakemake.output.part,
        parts=snakemake.input.get("parts", []),
        dataset_id=snakemake.wildcards.recording,
        cmcr_path=snakemake.input.get("cmcr"),
        cmtr_path=snakemake.input.get("cmtr"),
        stimuli_dir=config.stimuli,
    )
