"""Files in, files out: prepare, summarize, report."""
