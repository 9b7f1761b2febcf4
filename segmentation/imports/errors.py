"""Faults of a whole file or mapping: nothing of it is stored."""

from segmentation.errors import ProblemError


class FileFaultError(ProblemError):
    """The file cannot be read as what it is said to be."""

    code = "file_fault"


class MappingFaultError(ProblemError):
    """The mapping says what cannot be done; ``field`` is the place in it, such as ``columns.revenue.scale``."""

    code = "mapping_fault"


class TargetFaultError(ProblemError):
    """There is no such kind of record."""

    code = "unknown_target"
