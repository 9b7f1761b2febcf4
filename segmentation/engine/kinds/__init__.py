"""Criterion kinds on accounts themselves. Importing this package registers every module in it."""

from segmentation.engine.discovery import import_all

import_all(__name__, __path__)
