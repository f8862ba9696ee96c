"""Every error a person can meet is explained by `hive help CODE`."""

import importlib
import pkgutil

import drivers
import honey_edge
import provisioning
import queen_node
import worker_node
from drivers.errors import DriverError
from honey_edge.model.errors import HiveError
from queen_node.help_codes import codes, explain


def all_errors(root=HiveError):
    for child in root.__subclasses__():
        yield child
        yield from all_errors(child)


ON_THE_BOARD = ("drivers.micropython", "drivers.head.main")  # import machine, which only a microcontroller has


def import_everything():
    for package in (drivers, honey_edge, queen_node, worker_node, provisioning):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.name.endswith("__main__") and not module.name.startswith(ON_THE_BOARD):
                importlib.import_module(module.name)


def test_every_code_is_explained_and_every_explanation_has_an_error():
    import_everything()
    packages = ("drivers", "honey_edge", "queen_node", "worker_node", "provisioning")
    errors = [DriverError, *all_errors(DriverError), *all_errors()]
    product = {error.code for error in errors if error.__module__.split(".")[0] in packages}
    assert sorted(product - set(codes())) == []
    assert sorted(set(codes()) - product - {"E-HIVE"}) == []


def test_explanations_say_what_and_what_next_in_any_case():
    for code in codes():
        told = explain(code.lower())
        assert told
        assert told["meaning"].endswith(".")
        assert told["next"].endswith(".")
    assert explain("E-NOTHING") is None
