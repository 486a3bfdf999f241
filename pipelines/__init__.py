"""One module per question asked of an imitation model, and the command line."""
