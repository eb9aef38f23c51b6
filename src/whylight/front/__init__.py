"""The calls that people make about one picture or many: explain, verify, locate, concepts."""
