"""A study: its design, fixed before the data; the rules that exclude raters; what comes out."""
