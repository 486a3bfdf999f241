"""Who wrote the imitator's answers: the base or the target? Beside a verdict, on one imitator of the embedded world."""
