"""Pictures that were uploaded: taken in, kept for a while, swept away."""
