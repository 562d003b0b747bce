"""A value that the stack file keeps encrypted, where it is read without the key to it."""

from __future__ import annotations


class Secret(str):
    """Stands for a text that nobody here can see.

    It is accepted where a text is expected, never quoted, and equal to nothing but itself: two
    secrets may hold the same text or not.
    """

    __slots__ = ()

    def __new__(cls) -> Secret:
        """Make one; it holds nothing, not even the encrypted text."""
        return super().__new__(cls, "a secret")

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __hash__(self) -> int:
        return id(self)

    def __deepcopy__(self, _memo: object) -> Secret:
        return self

    def __str__(self) -> str:
        # Not a plain copy, which would be equal to that of another secret.
        return self

    def __repr__(self) -> str:
        return "a secret"
