"""One run: task, trainer, folds, the folder of the run."""
