"""An audit as one page to read, on a screen and on paper."""
