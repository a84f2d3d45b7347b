"""What is fast, and what is not, as ratios in one run: ``python -m experiments.bench --list``."""
