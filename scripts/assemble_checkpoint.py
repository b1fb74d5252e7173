"""Immediate mode: put the parts that are there after a step together as a checkpoint."""

from _job import job

from hdmea.pipeline import PipelineSession

with job() as snakemake:
    session = PipelineSession.from_parts(snakemake.input.parts)
    session.checkpoint(snakemake.output.checkpoint, checkpoint_name=snakemake.wildcards.step)
