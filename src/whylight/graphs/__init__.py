"""Models as one graph for other runtimes: pictures in, logits and the maps of all classes out."""
