"""Scorers and losses: torch modules, nothing else."""
