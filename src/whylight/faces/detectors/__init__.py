"""What finds faces, one file each."""
