"""Many imitators side by side: curves over data and bases, style against capability, and their page."""
