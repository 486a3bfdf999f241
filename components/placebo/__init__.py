"""Answers that should not win: what a judge must see through before it may gate."""
