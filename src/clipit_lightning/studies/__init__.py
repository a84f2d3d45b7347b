"""Many runs: grid, sweep, compare, leaderboard."""
