"""The report box: statistics, policy, verdict and its pages."""
