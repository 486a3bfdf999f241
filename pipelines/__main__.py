"""`python -m pipelines` is `touchstone`."""

from pipelines.cli.main import main

main()
