"""Where what was seen goes: a video, lines of JSON, a window."""
