"""Networks by name, and the files that hold their weights."""
