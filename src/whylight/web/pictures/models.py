"""Pictures that were uploaded."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from whylight.web.tokens import new_token


def _later() -> object:
    return timezone.now() + timedelta(seconds=settings.WHYLIGHT_TTL)


class Picture(models.Model):
    """One picture; its pixels lie in the store under its token, its file name is not kept.

    Attributes:
        token: its name in addresses and in the store.
        owner: a digest of who may see it.
        width, height: in pixels, upright, as it is kept.
        times: how many times smaller its sides are than they were sent: 1 but for very large JPEGs.
        bytes: that it takes in the store.
        expires: when it is deleted.
    """

    token = models.CharField(primary_key=True, max_length=22, default=new_token, editable=False)
    owner = models.CharField(max_length=64, db_index=True)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    times = models.PositiveSmallIntegerField(default=1)
    bytes = models.PositiveBigIntegerField(default=0)
    created = models.DateTimeField(default=timezone.now)
    expires = models.DateTimeField(default=_later, db_index=True)

    @property
    def is_over(self) -> bool:
        """Whether its time has passed."""
        return self.expires <= timezone.now()
