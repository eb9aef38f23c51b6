"""Keys, with which programs call as their maker."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Key(models.Model):
    """A key: only a digest of it is kept, so that it is shown once."""

    digest = models.CharField(max_length=64, unique=True)
    owner = models.CharField(max_length=64, db_index=True)
    name = models.CharField(max_length=60)
    start = models.CharField(max_length=6)  # by which its owner knows it
    created = models.DateTimeField(default=timezone.now)
