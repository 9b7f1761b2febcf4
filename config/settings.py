"""Settings of the project. What differs between machines is read from the environment: docs/deployment.md lists it."""

import re
from datetime import timedelta
from pathlib import Path

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from config import env
from config.secret import secret_from_file

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = env.path("VAR_DIR", BASE_DIR / "var")  # everything the project writes: database, facts, secrets, logs
FACTS_DIR = VAR_DIR / "facts"  # may be deleted at any time

# Security ------------------------------------------------------------------------------------------------------------

DEBUG = env.flag("DEBUG", default=True)
SECRET_KEY = env.text("SECRET_KEY")
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured(
            "The environment variable SECRET_KEY is not set: with DEBUG=false it must hold a long random text "
            '(python3 -c "import secrets; print(secrets.token_urlsafe(50))").'
        )
    SECRET_KEY = secret_from_file(VAR_DIR / "secret_key")
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS")

# Behind a proxy that ends TLS and always sets this header; anyone can send it otherwise, hence not by default.
if env.flag("BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# DEBUG=false without TLS (an intranet, a trial on this machine) needs SECURE=false, or no cookie is ever sent back.
SECURE = env.flag("SECURE", default=not DEBUG)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]  # load balancers ask without TLS
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", 31_536_000 if SECURE else 0, low=0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=SECURE)
SECURE_HSTS_PRELOAD = env.flag("SECURE_HSTS_PRELOAD", default=SECURE)
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"

# Applications --------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "config",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "knox",
    "django_q",
    "pgtrigger",
    "pghistory",
    "segmentation",
    "scoring",
    "journey",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

AUTHENTICATION_BACKENDS = ["config.rights.RightsBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

# Database, cache -----------------------------------------------------------------------------------------------------

DATABASE_URL = env.text("DATABASE_URL")
if DATABASE_URL:
    try:
        DATABASES = {"default": dict(dj_database_url.parse(DATABASE_URL))}
    except ValueError:  # the message of the parser would show the password
        raise ImproperlyConfigured(
            "The environment variable DATABASE_URL is no database address: use postgresql://user:password@host:5432/name."
        ) from None
    if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
        raise ImproperlyConfigured(
            "The environment variable DATABASE_URL names no PostgreSQL: use postgresql://user:password@host:5432/name."
        )
else:
    DATABASES = {
        "default": {
            "ENGINE": "config.embedded",
            "NAME": "postgres",
            "USER": "postgres",
            "OPTIONS": {"pgdata": str(VAR_DIR / "postgres")},
        }
    }
DATABASES["default"] |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# Language and time ---------------------------------------------------------------------------------------------------

LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese")), ("zh-hant", _("Traditional Chinese"))]
LANGUAGE_CODE = env.text("LANGUAGE_CODE", "en", choices=[code for code, _name in LANGUAGES])
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")
REPORTING_CURRENCY = env.text("REPORTING_CURRENCY").upper()  # empty: the one most deals are in
FISCAL_YEAR_START_MONTH = env.integer("FISCAL_YEAR_START_MONTH", 1, low=1, high=12)

# Static files, e-mail, log -------------------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = env.path("STATIC_ROOT", VAR_DIR / "static")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage" if DEBUG else "config.static.StaticStorage"
    },
}
# In debug files are served from where the packages have them, so nothing has to be gathered.
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
MEDIA_ROOT = VAR_DIR / "media"

EMAIL_HOST = env.text("EMAIL_HOST")
EMAIL_PORT = env.integer("EMAIL_PORT", 587, low=1, high=65535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", default=True)
EMAIL_TIMEOUT = 20
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend"
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("DEFAULT_FROM_EMAIL", "account-journey@localhost")

LOG_LEVEL = env.text("LOG_LEVEL", "INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": ["console"], "level": LOG_LEVEL, "propagate": False},
        # It configures itself with a handler of its own, which would print every line twice.
        "django-q": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
    },
}

# API -----------------------------------------------------------------------------------------------------------------

# Off unless API_RATE says something like 600/min: for each user, and for each address of those who are nobody. Each
# process counts for itself unless CACHES names a shared cache.
API_RATE = env.text("API_RATE")
if API_RATE and not re.fullmatch(r"[1-9]\d*/(s|sec|min|hour|day)", API_RATE):
    raise ImproperlyConfigured(
        f"The environment variable API_RATE is {API_RATE!r}: use a number per sec, min, hour or day, such as 600/min."
    )

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "segmentation.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["segmentation.api.permissions.ModelPermissions"],
    "DEFAULT_RENDERER_CLASSES": ["segmentation.api.renderers.SafeJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["segmentation.api.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "segmentation.api.schema.ProblemSchema",
    "DEFAULT_THROTTLE_CLASSES": [
        "rest_framework.throttling.AnonRateThrottle",
        "rest_framework.throttling.UserRateThrottle",
    ]
    if API_RATE
    else [],
    "DEFAULT_THROTTLE_RATES": {"anon": API_RATE or None, "user": API_RATE or None},
    "EXCEPTION_HANDLER": "segmentation.api.problems.exception_handler",
    "URL_FORMAT_OVERRIDE": None,  # there is JSON only, and a parameter that means nothing is refused
}

REST_KNOX = {
    "TOKEN_TTL": timedelta(days=90),
    "AUTO_REFRESH": False,
    "TOKEN_LIMIT_PER_USER": 20,
}

SPECTACULAR_SETTINGS = {
    "TITLE": _("Account journey"),
    "DESCRIPTION": _("Accounts, people, activities and deals in, stages of journeys out. Errors follow RFC 9457."),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    # The description is the same everywhere and tells nothing about the data.
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "ENUM_NAME_OVERRIDES": {
        "Seniority": "segmentation.models.choices.Seniority",
        "Department": "segmentation.models.choices.Department",
        "BuyingRole": "segmentation.models.choices.BuyingRole",
        "Relationship": "segmentation.models.choices.Relationship",
        "Consent": "segmentation.models.choices.Consent",
        "Tier": "segmentation.models.choices.Tier",
        "MembershipState": "segmentation.models.choices.MembershipState",
        "QuotaKind": "segmentation.models.choices.QuotaKind",
        "VersionState": "segmentation.models.IcpVersion.State",
        "OpportunityKind": "journey.models.Opportunity.Kind",
        "ItemKind": "segmentation.models.IcpItem.Kind",
        "AnswerKind": "segmentation.models.icp.ANSWERED_KINDS",
        "CostKind": "journey.models.Cost.Kind",
        "SuggestionSourceKind": "journey.models.SuggestionSource.Kind",
        "SuggestionState": "journey.models.Suggestion.State",
        "IntentTopicKind": "scoring.models.IntentTopic.Kind",
        "SegmentPurpose": "segmentation.models.Segment.Purpose",
        "PlaySuggestionState": "segmentation.models.PlaySuggestion.State",
        "PlaySuggestionResult": "segmentation.models.PlaySuggestion.Result",
    },
    # Swagger from the wheel: the page works without the internet.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# Work in the background ----------------------------------------------------------------------------------------------

Q_CLUSTER = {
    "name": "account-journey",
    "orm": "default",
    "workers": 2,
    "bulk": 1,
    "queue_limit": 2,  # waiting in a worker's own queue counts against retry
    "timeout": 600,
    "retry": 3600,
    "max_attempts": 2,
    "ack_failures": True,  # otherwise a task that kills its worker is tried for ever
    "catch_up": False,
    "save_limit": 200,
    "recycle": 50,
    "poll": 1,
    "label": _("Background work"),
    "time_zone": "UTC",  # daily work stays at its hour when daylight saving begins
}

# Admin ---------------------------------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": _("Account journey"),
    "SITE_HEADER": _("Account journey"),
    "SITE_SYMBOL": "route",
    "SITE_URL": None,
    "SHOW_LANGUAGES": True,
    "DASHBOARD_CALLBACK": "journey.admin.dashboard.start_page",
    "STYLES": ["journey.admin.navigation.stylesheet"],
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "journey.admin.navigation.favicon"}],
    "COLORS": {
        "primary": {
            "50": "#eff6ff",
            "100": "#dbeafe",
            "200": "#bfdbfe",
            "300": "#93c5fd",
            "400": "#60a5fa",
            "500": "#3b82f6",
            "600": "#2563eb",
            "700": "#1d4ed8",
            "800": "#1e40af",
            "900": "#1e3a8a",
            "950": "#172554",
        }
    },
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "config.navigation.sidebar",
    },
}

STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "journey.staticfiles.PlotlyFinder",  # the one script of plotly that pages with charts load
]
