"""Models in the visitor's own browser: a page, the runtime that it needs, and what it is told of a model."""
