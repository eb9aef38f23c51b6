"""Where the features of a face are."""
