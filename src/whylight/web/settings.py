"""Django's settings, all from the environment; docs/guides/web.md has the list of variables."""

from __future__ import annotations

import os
from typing import Any

import dj_database_url
import django

from whylight.pipeline.workers import cores
from whylight.web import place
from whylight.web.environment import flag, number, text, words
from whylight.web.policy import POLICY

# The site's own.
SITE = place.default_folder()
WHYLIGHT_MODELS = words(
    "WHYLIGHT_MODELS", "face,person"
)  # offered to visitors, named as for `--model`; the first by default
WHYLIGHT_GALLERY = text("WHYLIGHT_GALLERY")  # of people who can be named on the face page; none: nobody is named
WHYLIGHT_TTL = number("WHYLIGHT_TTL", 15 * 60, least=1)  # seconds that a picture is kept after it was last asked about
WHYLIGHT_SHARE_TTL = number("WHYLIGHT_SHARE_TTL", 24 * 3600, least=1)  # seconds that a shared result is kept
WHYLIGHT_MAX_BYTES = number("WHYLIGHT_MAX_BYTES", 20 * 2**20, least=1)  # of one upload
WHYLIGHT_MAX_REQUEST = number("WHYLIGHT_MAX_REQUEST", 60 * 2**20, least=1)  # of all that come at once
WHYLIGHT_MAX_FILES = number("WHYLIGHT_MAX_FILES", 20, least=1)  # that come at once
WHYLIGHT_MAX_MEGAPIXELS = number(
    "WHYLIGHT_MAX_MEGAPIXELS", 16, least=1
)  # JPEGs of more are read at a half of their sides, and so on
WHYLIGHT_MAX_STORE = number("WHYLIGHT_MAX_STORE", 4 * 2**30, least=1)  # bytes of all pictures that are kept at a time
WHYLIGHT_MAX_QUEUE = number("WHYLIGHT_MAX_QUEUE", 500, least=1)  # questions of all visitors that wait at a time
WHYLIGHT_MAX_QUEUE_EACH = number("WHYLIGHT_MAX_QUEUE_EACH", 100, least=1)  # of one visitor
WHYLIGHT_WAIT = number(
    "WHYLIGHT_WAIT", 30
)  # seconds that a call of the API waits for its answer before it is told where to look
WHYLIGHT_RATE = text(
    "WHYLIGHT_RATE", "600/m"
)  # requests that cost something, of an address; the machine itself has no limit
WHYLIGHT_KEY_RATE = text("WHYLIGHT_KEY_RATE", "1200/m")  # the same of a key
WHYLIGHT_PROXIES = words("WHYLIGHT_PROXIES")  # addresses or networks of proxies whose X-Forwarded-For is believed
WHYLIGHT_WORKERS = number(
    "WHYLIGHT_WORKERS", min(2, cores()), least=1
)  # for quick questions; slow ones have one of their own
WHYLIGHT_RECYCLE = number("WHYLIGHT_RECYCLE", 2000, least=1)  # jobs after which a worker is begun afresh
WHYLIGHT_THREADS = number("WHYLIGHT_THREADS", 64, least=4)  # of a web process: most of them wait
WHYLIGHT_DECODERS = number("WHYLIGHT_DECODERS", 2, least=1)  # processes that open what was uploaded
WHYLIGHT_LIVE_VISITORS = number("WHYLIGHT_LIVE_VISITORS", 6, least=1)  # whose cameras are looked through at a time
WHYLIGHT_LIVE_IDLE = number("WHYLIGHT_LIVE_IDLE", 180, least=1)  # seconds without a frame after which that process ends

# Django's.
DEBUG = flag("WHYLIGHT_DEBUG")
SECRET_KEY = text("WHYLIGHT_SECRET_KEY") or place.secret(SITE)
ALLOWED_HOSTS = words("WHYLIGHT_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = words("WHYLIGHT_ORIGINS")
ROOT_URLCONF = "whylight.web.urls"
CSRF_FAILURE_VIEW = "whylight.web.views.plain.forbidden"
WSGI_APPLICATION = "whylight.web.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "ninja",
    "whylight.web.pictures",
    "whylight.web.tasks",
    "whylight.web.keys",
]
_CSP = (
    "csp.middleware.CSPMiddleware" if django.VERSION < (6,) else "django.middleware.csp.ContentSecurityPolicyMiddleware"
)
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    _CSP,
    "whylight.web.middleware.Permissions",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "whylight.web.middleware.Caller",
    "django.middleware.common.CommonMiddleware",
    "whylight.web.middleware.SameOrigin",
    "whylight.web.intake.receiving.Receiving",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "whylight.web.middleware.Sentences",
]
if django.VERSION < (6,):
    INSTALLED_APPS.append("csp")
    CONTENT_SECURITY_POLICY = {"DIRECTIVES": POLICY}
else:
    SECURE_CSP = POLICY
_HERE = os.path.dirname(__file__)
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [os.path.join(_HERE, "templates"), os.path.join(_HERE, "..", "pages", "parts")],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
                "whylight.web.views.plain.everywhere",
            ]
        },
    }
]
# Colours and type are those of the reports.
STATICFILES_DIRS = [os.path.join(_HERE, "static"), ("whylight", os.path.join(_HERE, "..", "pages", "look"))]
STATIC_URL = "static/"
STATIC_ROOT = text("WHYLIGHT_STATIC") or None
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False

# Uploads: kept in memory until a process of its own has opened them, so that none is ever stored as it came.
FILE_UPLOAD_HANDLERS = ["whylight.web.intake.receiving.InMemory"]
WHYLIGHT_REFUSAL = "whylight.web.middleware.refused"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2**20  # of the fields besides the pictures
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = WHYLIGHT_MAX_FILES

DATABASES = {"default": dj_database_url.parse(text("DATABASE_URL") or f"sqlite:///{SITE / 'site.db'}", conn_max_age=60)}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",  # a writer waits for its turn, rather than fail when it finds that it was not alone
        "timeout": 20,
        # secure_delete: what was deleted is overwritten.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;",
    }
REDIS_URL = text("REDIS_URL")  # for the queue and for counting requests
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}
# Without Redis each web process counts for itself, and `whylight serve` has one.
SILENCED_SYSTEM_CHECKS = [] if REDIS_URL else ["django_ratelimit.E003", "django_ratelimit.W001"]

# Behind TLS, which a proxy ends: say so with WHYLIGHT_TLS=1.
_TLS = flag("WHYLIGHT_TLS")
SECURE_SSL_REDIRECT = _TLS
if not _TLS:  # what these ask for cannot be had without; `serve --public` says so
    SILENCED_SYSTEM_CHECKS += ["security.W004", "security.W008", "security.W016"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _TLS and flag("WHYLIGHT_HSTS_ALL", default=True)
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = OWNER_COOKIE_SECURE = _TLS
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
if _TLS and WHYLIGHT_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# No picture, no name and no address of a page is logged: a token in it would open somebody's picture.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"bare": {"()": "whylight.web.logs.WithoutAddresses"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "filters": ["bare"]}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": ["console"], "level": "ERROR", "propagate": False},
        "django.security": {"handlers": [], "level": "CRITICAL", "propagate": False},
        "whylight": {"handlers": ["console"], "level": "INFO", "propagate": False},
    },
}
