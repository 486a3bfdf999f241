"""Did imitation bring capability or style? The graph and its named runs."""
