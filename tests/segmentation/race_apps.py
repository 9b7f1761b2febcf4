"""The project as a web server serves it, with places counted slowly: with the lock of the quotas and without it."""

import time

from config.wsgi import application
from segmentation.models import SalesQuota
from segmentation.selectors.target_lists import places_held
from segmentation.services.target_lists import quotas


def slow_places_held(*args):
    """Count, then wait a moment: who is not kept waiting by the lock decides by what is no longer true."""
    held = places_held(*args)
    time.sleep(0.02)
    return held


def unlocked_quotas(team, rep):
    """Find the quota of a team as if no lock were taken."""
    return list(SalesQuota.objects.filter(team=team, rep=None))


def guarded(environ, start_response):
    """Serve the project as it is."""
    quotas.places_held = slow_places_held
    return application(environ, start_response)


def unguarded(environ, start_response):
    """Serve the project without its guard."""
    quotas.places_held = slow_places_held
    quotas.locked_quotas = unlocked_quotas
    return application(environ, start_response)
