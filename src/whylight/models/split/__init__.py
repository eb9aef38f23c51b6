"""Where and how a network is cut in two."""
