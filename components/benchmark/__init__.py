"""Task items -> requests; completions and choice log-probabilities -> scores. CPU only, over saved rows."""
