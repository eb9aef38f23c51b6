"""From what single maps tell to figures over all pictures."""
