"""Searches over configurations: sweep files in wandb's format, run here with Optuna or handed to wandb's server."""
