"""Corpora -> pre-trained checkpoints; imitation data + a base -> an imitator."""
