"""What `touchstone crowd` does with the rating service's database."""
