"""Requests + a checkpoint -> completions and choice log-probabilities. The only box beside train that needs torch."""
