"""Finished verdicts, wherever they lie, on one page."""
