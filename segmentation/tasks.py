"""Functions the background worker calls."""

from segmentation.services.duplicates import request_search
from segmentation.services.jobs import run_job_in_own_process


def run_job(job_id: int) -> int:
    """Run one job in a process of its own."""
    return run_job_in_own_process(job_id)


def duplicates_due() -> str:
    """Queue the search for duplicates."""
    return f"job {request_search().pk}"
