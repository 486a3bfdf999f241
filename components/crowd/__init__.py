"""Blind ratings by people: a web service beside the pipeline, and the steps that publish to it and collect from it."""
