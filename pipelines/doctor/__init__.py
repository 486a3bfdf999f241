"""`touchstone doctor`: looks at a cluster before a run, and says what to type for whatever would fail."""
