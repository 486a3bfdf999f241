"""Who wrote this? Texts told apart by a language model's embeddings, and by their surface alone."""
