"""What the reference page says of each option, and what a settings text is refused for."""

from dataclasses import dataclass, field

import pytest

from honey_edge.model.options import OptionLine, SettingsError, describe_options, option, read_settings


@dataclass(frozen=True)
class _Inner:
    """A section within a section."""

    rate: float = option("rate", 0.5, low=0.0)


@dataclass(frozen=True)
class _Section:
    """One section."""

    port: int = option("where to listen", low=1, high=65535)
    kind: str = option("which", "file", choices=("file", "token"))
    names: tuple[str, ...] = option("who", ())
    plain: str = "as it is"
    inner: _Inner | None = None


@dataclass(frozen=True)
class _File:
    """The whole file."""

    here: _Section
    there: _Section = field(default_factory=lambda: _Section(port=1))


def test_every_option_is_described_with_type_default_limits_and_meaning():
    lines = {(line.section, line.name): line for line in describe_options(_File)}
    assert lines["here", "port"] == OptionLine("here", "port", "int", "required", "1 .. 65535", "where to listen")
    assert lines["here", "kind"] == OptionLine("here", "kind", "str", "'file'", "file, token", "which")
    assert lines["here.inner", "rate"].limits == "0 .. "
    assert lines["there", "plain"].meaning == ""
    assert len(lines) == 10


def test_values_of_each_type_are_read():
    text = '[here]\nport = 5\nnames = ["a", "b"]\n[here.inner]\nrate = 2\n'
    read = read_settings(_File, text, "f.toml").here
    assert (read.port, read.names, read.inner) == (5, ("a", "b"), _Inner(2.0))
    assert isinstance(read.inner.rate, float)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("here = 5\n", r"f\.toml.*here must be a section"),
        ("[here]\nport = 70000\n", r"f\.toml:2: port = 70000 is above 65535"),
        ("[here]\nport = true\n", r"f\.toml:2: port = True is bool, expected int"),
        ("[here]\nport = 5\n[here.inner]\nrate = -1\n", r"f\.toml:4: rate = -1\.0 is below 0"),
        ("[here]\nport = 5\n[here.inner]\nrate = nan\n", r"f\.toml:4: rate = nan"),
        ("[here]\nport = 5\n[here.iner]\n", r"f\.toml:3: unknown key iner in \[here\]; nearest known key: inner"),
        ("[here]\nport = 5\nzzzz = 1\n", r"f\.toml:3: unknown key zzzz in \[here\]; known: port, kind"),
        ("", r"f\.toml: \[here\] is missing"),
        ("[here]\nkind = 'file'\n", r"f\.toml:1: port in \[here\] is missing"),
        ("[here\n", r"f\.toml: .*"),
    ],
)
def test_a_refusal_names_file_line_and_key(text, said):
    with pytest.raises(SettingsError, match=said):
        read_settings(_File, text, "f.toml")
