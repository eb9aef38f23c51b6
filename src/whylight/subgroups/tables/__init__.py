"""Tables of rows with labels, predictions and groups, read from anywhere, and everything odd about them counted."""
