"""Artifacts in an S3 bucket: parallel, resumable, checked transfers over the plain S3 protocol."""
