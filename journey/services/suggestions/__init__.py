"""Suggestions for target account lists: the only code that writes them, their sources and the models behind them."""

from journey.services.suggestions.deciding import accept_suggestions, decline_suggestions, reopen_suggestions
from journey.services.suggestions.finding import SUGGEST_JOB, SourceResult, request_suggestions, suggest
from journey.services.suggestions.sources import install_sources, store_source

__all__ = [
    "SUGGEST_JOB",
    "SourceResult",
    "accept_suggestions",
    "decline_suggestions",
    "install_sources",
    "reopen_suggestions",
    "request_suggestions",
    "store_source",
    "suggest",
]
