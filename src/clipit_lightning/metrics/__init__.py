"""How a video's scores and summary are measured: pure functions, and metrics that keep a row for every video."""
