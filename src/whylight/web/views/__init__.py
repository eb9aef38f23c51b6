"""What a browser is answered: one file a page or a few that belong together."""
