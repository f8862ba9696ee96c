"""[mother] in the Queen's settings and [rounds] in the Worker's: what is read, and what stops the start."""

from dataclasses import replace

import pytest

from honey_edge.billing.tariff import tariff_document
from honey_edge.model.options import SettingsError
from honey_edge.wire.keccak import keccak
from honey_edge.wire.signing import KeySigner
from honey_edge.wire.terms_file import TermsError, TermsFile, terms_document
from honey_edge.wire.typed_data import Domain, digest
from queen_node.app.compose import Queen
from queen_node.coordinator.guided import GuidedCoordinator
from queen_node.settings import load, mother_signer, queen_signer
from queen_node.store import Store
from tests.unit.mother.family import StandingClock
from tests.unit.worker_node.world import DOMAIN, OWNER, QUEEN, TARIFF, TERMS, write_settings
from worker_node.settings import load_settings

MOTHER, POINT = KeySigner(keccak(b"mother of the tests")), keccak(b"point of the tests")
MOTHERS_DOMAIN = Domain(DOMAIN.chain_id, bytes.fromhex("bb" * 20))


def write(folder, changes=(), voltage=False):
    for name, hive, domain, queen in (("", 7, DOMAIN, QUEEN), ("mother-", 1, MOTHERS_DOMAIN, MOTHER)):
        terms = replace(TERMS, hive=hive)
        hashed = digest(domain, terms)
        (folder / f"{name}tariff.json").write_bytes(tariff_document(TARIFF))
        file = TermsFile.of(terms, queen.sign(hashed), OWNER.sign(hashed))
        (folder / f"{name}terms.json").write_bytes(terms_document(file))
    for name, secret in (("queen.key", keccak(b"queen of the tests")), ("point.key", POINT)):
        (folder / name).write_text(secret.hex())
        (folder / name).chmod(0o600)
    (folder / "workers.json").write_text("[]")
    text = f"""
[hive]
hive = 7
chain_id = {DOMAIN.chain_id}
contract = "{DOMAIN.contract.hex()}"
queen_address = "{QUEEN.address.hex()}"
owner_address = "{OWNER.address.hex()}"
terms_file = "terms.json"
tariff_file = "tariff.json"
workers_file = "workers.json"
key_file = "queen.key"

[broker]
host = "127.0.0.1"
port = 1
client_id = "queen-7"
ca_file = "ca.pem"
certificate_file = "queen.pem"
key_file = "queen.tls"

[mother]
hive = 1
host = "127.0.0.1"
port = 2
ca_file = "mother-ca.pem"
certificate_file = "point.pem"
key_file = "point.tls"
device_key_file = "point.key"
queen_address = "{MOTHER.address.hex()}"
owner_address = "{OWNER.address.hex()}"
terms_file = "mother-terms.json"
tariff_file = "mother-tariff.json"
contract = "{MOTHERS_DOMAIN.contract.hex()}"
"""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    if voltage:
        text += f'\n[voltage]\ncollect = true\non = true\nsource_worker = "{"ab" * 20}"\n'
    file = folder / "queen.toml"
    file.write_text(text)
    return file


def test_a_queen_with_a_mother_is_composed_as_a_daughter(tmp_path):
    loaded = load(write(tmp_path))
    assert loaded.mother is not None
    assert loaded.mother.hive == 1
    assert loaded.mother.domain == MOTHERS_DOMAIN
    assert mother_signer(loaded).address == KeySigner(POINT).address
    queen = Queen(loaded, StandingClock(), Store("sqlite://"), queen_signer(loaded))
    assert isinstance(queen.coordinator, GuidedCoordinator)
    assert queen.mother is not None
    assert queen.timetable.coordinator is queen.mother.rounds


def test_a_queen_without_one_is_a_root(tmp_path):
    file = write(tmp_path)
    text = file.read_text()
    file.write_text(text[: text.index("[mother]")])
    loaded = load(file)
    queen = Queen(loaded, StandingClock(), Store("sqlite://"), queen_signer(loaded))
    assert loaded.mother is None
    assert queen.mother is None
    assert queen.timetable.coordinator is queen.coordinator
    assert not isinstance(queen.coordinator, GuidedCoordinator)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ([("[mother]\nhive = 1", "[mother]\nhive = 2")], SettingsError, "terms are those of Hive 1"),
        ([('contract = "' + "bb" * 20, 'contract = "' + "bc" * 20)], TermsError, "not signed"),
        ([("mother-terms.json", "nowhere.json")], SettingsError, "nowhere.json"),
        ([(MOTHER.address.hex(), "ab")], SettingsError, "queen_address in [mother]"),
        ([(MOTHER.address.hex(), "ab" * 20)], TermsError, "not signed"),
    ],
)
def test_what_does_not_fit_the_mothers_agreement_stops_the_start(tmp_path, changes, error, says):
    with pytest.raises(error) as caught:
        load(write(tmp_path, changes))
    assert says in str(caught.value)


def test_a_daughters_prices_know_no_voltage_band(tmp_path):
    with pytest.raises(SettingsError, match="exclude each other"):
        load(write(tmp_path, voltage=True))


def test_the_point_of_a_daughter_leaves_rounds_to_her_queen(tmp_path):
    assert load_settings(write_settings(tmp_path)).rounds.answer
    file = tmp_path / "worker.toml"
    file.write_text(file.read_text() + "\n[rounds]\nanswer = false\n")
    assert not load_settings(file).rounds.answer
