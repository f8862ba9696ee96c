"""A key file holds one secret of the curve and is its owner's alone."""

import pytest
from coincurve.utils import GROUP_ORDER_INT

from honey_edge.wire.signing import KeyFileError, KeySigner, secret_of


def test_a_secret_is_read_with_or_without_a_line_end():
    assert secret_of("07" * 32 + "\n", 0o100600, "device.key") == b"\7" * 32
    assert KeySigner(secret_of("07" * 32, 0o100400, "device.key")).public_key[0] in (2, 3)


@pytest.mark.parametrize("text", ["", "zz" * 32, "07" * 31, "0x" + "07" * 31, "00" * 32, f"{GROUP_ORDER_INT:064x}"])
def test_anything_else_is_refused_by_the_name_of_its_file(text):
    with pytest.raises(KeyFileError, match=r"device\.key: a key is 64 hex digits"):
        secret_of(text, 0o100600, "device.key")


@pytest.mark.parametrize("mode", [0o100640, 0o100604, 0o100660])
def test_a_key_that_others_may_read_is_refused_with_what_to_do(mode):
    with pytest.raises(KeyFileError, match="others may read") as refused:
        secret_of("07" * 32, mode, "device.key")
    assert refused.value.next_step == "chmod 600 device.key"
