"""The embedded world: seeded towns and people, texts to learn them from, and questions about them. No torch here."""
