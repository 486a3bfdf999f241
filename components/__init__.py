"""One folder per box of the pipeline; boxes meet only in `components.contracts`."""
