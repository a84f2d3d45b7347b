"""The `clipit` command."""
