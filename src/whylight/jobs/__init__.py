"""Jobs: inputs × questions × settings, and what has become of each."""
