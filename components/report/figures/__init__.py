"""The report's pictures, drawn as inline SVG. One module per picture; `svg`, `scale`, `marks` and `frame` carry them.

A plotting library would weigh more than the whole page, and none draws the same figure for a phone and for a desk.
"""
