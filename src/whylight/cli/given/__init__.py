"""What was given on the command line, or in a file in its place, as values."""
