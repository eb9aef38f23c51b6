"""What templates can do besides: numbers and times in words."""
