"""Does more imitation data bring capability, or only style?"""
