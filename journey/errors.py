"""What can go wrong with journeys, for people."""

from segmentation.errors import ProblemError


class JourneyError(ProblemError):
    """A journey, a version or a history that cannot be used as asked."""

    code = "journey"
