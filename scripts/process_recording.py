"""Deferred mode: process a recording in memory and write it once."""

from _job import job

from hdmea.batch import read_config
from hdmea.pipeline import run_recording

with job() as snakemake:
    config = read_config(snakemake.config)
    recording = snakemake.wildcards.recording
    run_recording(
        snakemake.params.steps,
        snakemake.output.session,
        dataset_id=recording,
        cmcr_path=snakemake.input.get("cmcr"),
        cmtr_path=snakemake.input.get("cmtr"),
        stimuli_dir=config.stimuli,
        work_dir=None if config.work_dir is None else f"{config.work_dir}/{recording}",
        checkpoints={step: snakemake.output[step] for step in config.checkpoints},
    )
