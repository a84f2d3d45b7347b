"""From step scores to a summary, on plain arrays: shots (KTS), knapsack, key-shot selection."""
