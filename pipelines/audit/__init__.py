"""Verdict from files that already exist: what a model wrote, what it scored, who preferred it."""
