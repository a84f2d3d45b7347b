"""Scores to shots: segmentation, knapsack, key shots, budget."""
