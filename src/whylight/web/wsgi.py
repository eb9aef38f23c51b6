"""The site as a WSGI application, for gunicorn and its like: `gunicorn whylight.web.wsgi`."""

from __future__ import annotations

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from whylight.web import place

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "whylight.web.settings")
place.make(settings.SITE)
application = get_wsgi_application()
