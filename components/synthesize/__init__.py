"""Seeds and the target -> the target's own replies, the raw material of imitation data."""
