"""Immediate mode: run one step, or one feature, on the parts it needs and write what it adds."""

from pathlib import Path

from _job import job

from hdmea.batch import read_config
from hdmea.pipeline import run_part

with job() as snakemake:
    config, recording = read_config(snakemake.config), snakemake.wildcards.recording
    run_part(
        snakemake.params.step,
        snakemake.params.parameters,
        snakemake.output.part,
        parts=snakemake.input.get("parts", []),
        dataset_id=recording,
        cmcr_path=snakemake.input.get("cmcr"),
        cmtr_path=snakemake.input.get("cmtr"),
        stimuli_dir=config.stimuli,
        work_dir=config.work_folder(recording),
        other_parts=config.parts_there(recording, Path(snakemake.output.part).stem),
    )
