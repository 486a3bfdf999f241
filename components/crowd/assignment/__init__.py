"""Which pair a rater sees next, and what becomes of the answer."""
