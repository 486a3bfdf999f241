"""Logic behind the commands of `touchstone data`."""
