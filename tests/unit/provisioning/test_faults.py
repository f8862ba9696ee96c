"""What a person types as a fault is understood or refused with what would do."""

import pytest

from provisioning.demo.faults import DEFAULT_SLOT, Fault, FaultError, parse_fault

SERIALS = ["HP-000101", "HP-000102"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("energy-stuck@HP-000101", Fault("energy-stuck", "HP-000101", DEFAULT_SLOT)),
        ("late@hp-000102:3", Fault("late", "HP-000102", 3)),
        ("kill-queen@0", Fault("kill-queen", "", 0)),
        ("kill-broker", Fault("kill-broker", "", DEFAULT_SLOT)),
    ],
)
def test_a_fault_names_kind_home_and_slot(text, fault):
    assert parse_fault(text, SERIALS) == fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("melt@HP-000101", "energy-stuck"),
        ("late@HP-000109", "HP-000102"),
        ("late", "HP-000102"),
        ("kill-worker@HP-000101:x", "'x' is not a slot"),
        ("kill-queen@-1", "not a slot"),
    ],
)
def test_an_unknown_fault_is_refused_with_what_would_do(text, said):
    with pytest.raises(FaultError, match=said):
        parse_fault(text, SERIALS)
