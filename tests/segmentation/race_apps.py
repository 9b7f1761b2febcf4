"""The project as a web server serves it, with places counted slowly: with the lock of the quotas and without it."""

import time

from config.wsgi import application
from segmentation.models import SalesQuota
from segmentation.services.target_lists import quotas

count = quotas.places_held_with  # the name the service counts by, so that a new one is noticed here


def slow_count(*args):
    """Count, then wait a moment: who is not kept waiting by the lock decides by what is no longer true."""
    held = count(*args)
    time.sleep(0.05)
    return held


def unlocked_quotas(team, rep):
    """Find the quota of a team as if no lock were taken."""
    return list(SalesQuota.objects.filter(team=team, rep=None))


def guarded(environ, start_response):
    """Serve the project as it is."""
    quotas.places_held_with = slow_count
    return application(environ, start_response)


def unguarded(environ, start_response):
    """Serve the project without its guard."""
    quotas.places_held_with = slow_count
    quotas.locked_quotas = unlocked_quotas
    return application(environ, start_response)
