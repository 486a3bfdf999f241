"""The crowd service: blind ratings by people. A web service beside the pipeline, not a step of it."""
