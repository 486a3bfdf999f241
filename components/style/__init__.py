"""Surface style: what a text looks like, with no regard to whether it is right (method section 4)."""
