"""How near do imitation data come to what is asked later, and to each other?"""
