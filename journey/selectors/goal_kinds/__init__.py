"""Kinds of goals. Importing this package registers every module in it: a new kind is one class in one file."""

from journey.selectors.goal_kinds.base import GoalKind, find_kind, goal_kinds, register
from segmentation.engine.discovery import import_all

import_all(__name__, __path__)

__all__ = ["GoalKind", "find_kind", "goal_kinds", "register"]
