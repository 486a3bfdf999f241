"""Does a larger base bring what more imitation data does not?"""
