"""Settings every test runs under."""

import os

# Test workers and the tasks they start share the cores; torch's threads waiting for one another would cost minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Nothing may be fetched: a test that needs the network is a mistake, and must fail at once rather than wait.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
