"""`touchstone judge`: answers of several models before one judge, by the steps that a pipeline runs."""
