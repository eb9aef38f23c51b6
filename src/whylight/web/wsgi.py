"""The site as a WSGI application, for gunicorn and its like: `gunicorn whylight.web.wsgi`."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "whylight.web.settings")
application = get_wsgi_application()
