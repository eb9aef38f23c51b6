"""Networks that turn a face into numbers, and the check of their weights."""
