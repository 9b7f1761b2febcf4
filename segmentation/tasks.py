"""Functions the background worker calls."""

from segmentation.services.jobs import run_job_in_own_process


def run_job(job_id: int) -> int:
    """Run one job in a process of its own."""
    return run_job_in_own_process(job_id)
