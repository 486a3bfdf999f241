"""Container images: what they are made of, how they are built, pinned and put on a node. See README.md here."""
