"""Can forgetting be prevented, and what does that cost in style?"""
