"""What every room uses: configuration, errors, files, locks, processes."""
