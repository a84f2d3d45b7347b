"""The subcommands of `clipit`: what they take and what they call. Heavy imports are inside the functions."""
