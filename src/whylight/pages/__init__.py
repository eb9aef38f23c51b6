"""Results as a page to look through: one file with everything in it, for a folder of any size."""
