"""The root of Hive's named errors: what broke, where, which limit, and what to do next."""


class HiveError(Exception):
    """An error a person can act on.

    `code` is the short word that `hive help CODE` explains; `next_step` says what to do; `transient` tells
    whether trying again may help.
    """

    code = "E-HIVE"
    transient = False

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.next_step = next_step


class RangeError(HiveError, ValueError):
    """A number lies outside what its field can hold."""

    code = "E-RANGE"
