"""What can go wrong with masked answers, each with its own name (market-design section 4.5)."""

from honey_edge.model.errors import HiveError


class MaskError(HiveError, ValueError):
    """Something about masked answers is refused."""

    code = "E-MASK"


class TooFewForMasks(MaskError):
    """Fewer than three flexible homes: their sum would tell what one of them does."""

    code = "E-MASK-FEW"


class MaskFormError(MaskError):
    """A masked answer or a reveal is no base64, of a wrong length, or in no canonical form."""

    code = "E-MASK-FORM"


class MaskKeyError(MaskError):
    """A list of mask keys holds a key of a stranger, a forged one, one twice, or lacks this home's own."""

    code = "E-MASK-KEYS"


class MaskRefused(MaskError):
    """A Worker refuses a request that would let an answer of somebody be opened."""

    code = "E-MASK-REFUSED"


class MaskLeftOut(MaskError):
    """This home's answer was not counted: it takes no further part in this round's masks."""

    code = "E-MASK-LEFT-OUT"


class MaskLost(MaskError):
    """An iteration cannot be opened: it is lost for all. `liars` are homes whose shares cannot be right."""

    code = "E-MASK-LOST"
    transient = True

    def __init__(self, message: str, *, liars: tuple[bytes, ...] = (), next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.liars = liars
