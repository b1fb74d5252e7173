"""Deferred mode: process a recording in memory and write it once."""

from _job import job

from hdmea.batch import all_steps, read_config
from hdmea.pipeline import run_recording

with job() as snakemake:
    config = read_config(snakemake.config)
    recording = snakemake.wildcards.recording
    steps = all_steps(config, snakemake.params.playlist)
    if "compute_sta" in steps:
        steps["compute_sta"]["threads"] = snakemake.threads
    run_recording(
        steps,
        snakemake.output.session,
        dataset_id=recording,
        cmcr_path=snakemake.input.get("cmcr"),
        cmtr_path=snakemake.input.get("cmtr"),
        stimuli_dir=config.stimuli,
        work_dir=None if config.work_dir is None else f"{config.work_dir}/{recording}",
        checkpoints={step: snakemake.output[step] for step in config.checkpoints},
    )
