"""Bases x nested amounts x mitigations x seeds as one object, and the graph that trains and measures its cells."""
