"""Audit: is a classifier as good for everyone, and does it look at the same things?"""
