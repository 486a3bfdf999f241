"""`touchstone evaluate`: one model on benchmarks and prompts, by the steps that a pipeline runs."""
