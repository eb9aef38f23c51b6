"""Is a classifier as good for everyone, and does it look at the same things? Figures by subgroup, with what they are worth."""
