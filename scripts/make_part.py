"""Immediate mode: run one step, or one feature, on the parts it needs and write what it adds."""

from _job import job

from hdmea.batch import read_config
from hdmea.pipeline import run_part

with job() as snakemake:
    run_part(
        snakemake.params.step,
        snakemake.params.parameters,
        snakemake.output.part,
        parts=snakemake.input.get("parts", []),
        dataset_id=snakemake.wildcards.recording,
        cmcr_path=snakemake.input.get("cmcr"),
        cmtr_path=snakemake.input.get("cmtr"),
        stimuli_dir=read_config(snakemake.config).stimuli,
    )
