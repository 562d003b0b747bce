"""The one kind of failure that the lab explains to its user."""


class LabError(Exception):
    """A failure that is explained to its reader; shown without a traceback."""
