"""A finished audit asked again: by another policy, or as one of several looks at a growing run."""
