"""What a gallery is made of: its file, its contents, its limit for strangers."""
