"""A private SLURM on this computer, for tests and for trying a profile."""
