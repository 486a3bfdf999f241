"""Ratings by people on Kubeflow: one run that publishes a study, and a recurring one that collects it."""
