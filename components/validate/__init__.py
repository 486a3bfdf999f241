"""Is this imitation data fit to train on, and what do they cover?"""
