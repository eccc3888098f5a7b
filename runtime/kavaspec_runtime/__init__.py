"""The trainer: does what a lock says, and nothing else."""
