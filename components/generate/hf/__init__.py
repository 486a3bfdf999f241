"""Our engine for transformers models: prefixes run once, needed logits only, finished rows dropped."""
