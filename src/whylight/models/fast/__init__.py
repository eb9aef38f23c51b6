"""A private copy of a network that does less work for the same scores."""
