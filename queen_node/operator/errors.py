"""The named errors of the operator's commands; `hive help CODE` explains each."""

from honey_edge.model.errors import HiveError


class NotFound(HiveError, LookupError):
    """What was asked for is not there."""

    code = "E-NOT-FOUND"


class NoGridLimit(NotFound):
    """No limit of the grid operator is in force."""

    code = "E-GRID-LIMIT"


class NotConfirmed(HiveError):
    """A command that changes money was not confirmed."""

    code = "E-NOT-CONFIRMED"


class InputError(HiveError, ValueError):
    """An option or argument is not of the form it must have; the message starts with its name."""

    code = "E-INPUT"


class BookError(HiveError, ValueError):
    """An address book is missing, malformed, incomplete, or for another chain."""

    code = "E-BOOK"


class AlreadyDeployed(HiveError):
    """A deployment would be made a second time."""

    code = "E-DEPLOYED"


class CodeDiffers(HiveError):
    """Deployed code, wiring or roles are not those of this release."""

    code = "E-CODE"


class ContractRefuses(HiveError):
    """The contract would refuse the call; nothing was sent."""

    code = "E-CONTRACT"


class TransactionFailed(HiveError):
    """A transaction was mined and failed."""

    code = "E-CHAIN-TX"


class PartlyDone(HiveError):
    """Some transactions of a command are done, a later one is not; the same command goes on."""

    code = "E-PARTLY"


class NotAllowed(HiveError):
    """A rule of Hive, known before any call, forbids what was asked."""

    code = "E-RULE"


class ChannelOpen(HiveError):
    """A meter's account still holds money or runs a close."""

    code = "E-CHANNEL-OPEN"


class TooEarlyYet(HiveError):
    """A waiting time that the contract prescribes is not over."""

    code = "E-TOO-EARLY"
