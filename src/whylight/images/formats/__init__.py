"""One file for each format of pictures that needs more than Pillow's reader: what it may cost, and whether it is whole."""
