"""Functions the schedules call."""

from scoring.services.intent import assign_signals


def assign_signals_due() -> str:
    """Give signals of companies that were unknown to accounts that have come since."""
    assigned, left = assign_signals()
    return f"{assigned} assigned, {left} without account"
