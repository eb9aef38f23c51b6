"""What an audit found, in rows, words and files."""
