"""Deferred mode: process a recording in memory and write it once."""

from pathlib import Path

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
        work_dir=config.work_folder(recording),
        parts=sorted(Path(config.steps_dir, recording).glob("*.h5")),
        checkpoints={step: snakemake.output[step] for step in config.checkpoints},
    )
