"""Runs a compiled pipeline on Kubeflow Pipelines: placement of tasks, images by digest, versions, submission."""
