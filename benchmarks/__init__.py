"""What whylight is measured by, in folders by what they measure; results.md has the figures.

Every script is run as a module from the project's root, `python -m benchmarks.faces.gallery`, so that scripts can import each
other.
"""
