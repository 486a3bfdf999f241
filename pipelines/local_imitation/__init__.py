"""How much data of one task does it take to learn that task?"""
