"""Other tools' files, as they are -> rows: outputs, judgments, item scores, published numbers."""
