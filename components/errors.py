"""The root of all errors that components raise for a reason the user can do something about.

Each kind of error is where it is raised; `ComponentError` catches them all.
"""

from __future__ import annotations


class ComponentError(Exception):
    """Something that the user has to know; the message says what, where, and what to do."""
