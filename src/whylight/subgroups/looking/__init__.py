"""Looking: a model run over many pictures, its answers, features and maps laid in one frame."""
