"""Two models' outputs -> who is preferred, by a pinned judge."""
