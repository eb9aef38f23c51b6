"""What can be told from chance, and what cannot."""
