"""The composition root: everything is built and wired here, from settings, and nowhere else."""
