"""Whom people and judges prefer, what pulled them, how far they agree, and who of them may be believed."""
