"""Settings of the project; every one that differs between machines is read from the environment."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(os.environ.get("VAR_DIR", BASE_DIR / "var"))
SECRET_KEY = "skeleton"
DEBUG = True
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [
    "config",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
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
DATABASES = {"default": {"ENGINE": "config.embedded", "NAME": "postgres", "USER": "postgres", "OPTIONS": {"pgdata": str(VAR_DIR / "postgres")}}}
ROOT_URLCONF = "config.urls"
USE_TZ = True
TIME_ZONE = "UTC"
