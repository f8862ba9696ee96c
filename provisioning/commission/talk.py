"""Questions and answers of a guided command: on a terminal for people, as JSON lines for programs.

As JSON lines every question is {"ask": key, "text": ..., "choices": [...]} on standard output, and the next line of
standard input its answer: {"answer": ...} or the bare JSON value. Every finding is {"told": key, ...}.
"""

import json
from collections.abc import Sequence
from typing import Any, Protocol, TextIO

from honey_edge.model.errors import HiveError

_MOST_LINE = 10_000
_MOST_TRIES = 5


class TalkError(HiveError):
    """No answer, or none that fits."""

    code = "E-COMMISSION-ANSWER"


class Talk(Protocol):
    """Who is asked and told."""

    def ask(self, key: str, text: str, choices: Sequence[str] = ()) -> str:
        """The answer; one of the choices where there are any. Raises TalkError."""

    def number(self, key: str, text: str, least: float, most: float) -> float:
        """A number within limits. Raises TalkError."""

    def tell(self, key: str, text: str, **data: Any) -> None:
        """Something was found."""


class Console:
    """A person at a terminal."""

    def __init__(self, source: TextIO, sink: TextIO) -> None:
        self._source, self._sink = source, sink

    def ask(self, key: str, text: str, choices: Sequence[str] = ()) -> str:
        """Asks until one of the choices is typed; a beginning that fits only one is enough."""
        for _ in range(_MOST_TRIES):
            options = f" [{'/'.join(choices)}]" if choices else ""
            given = self._line(f"{text}{options}: ")
            fitting = [one for one in choices if one == given] or [
                one for one in choices if given and one.startswith(given)
            ]
            if not choices or len(fitting) == 1:
                return fitting[0] if choices else given
            self._say(f"  {given!r} is none of {', '.join(choices)}")
        raise TalkError(f"{key}: no answer that fits", next_step="run the command again; it goes on where it stopped")

    def number(self, key: str, text: str, least: float, most: float) -> float:
        """Asks until a number within the limits is typed."""
        for _ in range(_MOST_TRIES):
            found = _number(self._line(f"{text} ({least:g} to {most:g}): "), least, most)
            if found is not None:
                return found
            self._say(f"  a number from {least:g} to {most:g}, please")
        raise TalkError(f"{key}: no answer that fits", next_step="run the command again; it goes on where it stopped")

    def tell(self, key: str, text: str, **data: Any) -> None:
        """Prints it."""
        self._say(text)

    def _line(self, prompt: str) -> str:
        self._sink.write(prompt)
        self._sink.flush()
        line = self._source.readline(_MOST_LINE)
        if not line:
            raise TalkError("the input ended", next_step="run the command again; it goes on where it stopped")
        return line.strip()

    def _say(self, text: str) -> None:
        self._sink.write(text + "\n")
        self._sink.flush()


class JsonLines:
    """A program."""

    def __init__(self, source: TextIO, sink: TextIO) -> None:
        self._source, self._sink = source, sink

    def ask(self, key: str, text: str, choices: Sequence[str] = ()) -> str:
        """One line out, one line in; an answer that is no choice is an error at once."""
        answer = self._answer({"ask": key, "text": text, "choices": list(choices)})
        if not isinstance(answer, str) or (choices and answer not in choices):
            raise TalkError(f"{key}: {answer!r} is none of {', '.join(choices) or 'texts'}")
        return answer

    def number(self, key: str, text: str, least: float, most: float) -> float:
        """One line out, one line in."""
        answer = self._answer({"ask": key, "text": text, "least": least, "most": most})
        found = None if isinstance(answer, bool) else _number(str(answer), least, most)
        if found is None:
            raise TalkError(f"{key}: {answer!r} is no number from {least:g} to {most:g}")
        return found

    def tell(self, key: str, text: str, **data: Any) -> None:
        """One line out."""
        self._put({"told": key, "text": text, **data})

    def _answer(self, question: dict[str, Any]) -> Any:
        self._put(question)
        line = self._source.readline(_MOST_LINE)
        try:
            given = json.loads(line)
        except ValueError as error:
            raise TalkError(f"{question['ask']}: the answer is no JSON line: {line[:80]!r}") from error
        return given.get("answer") if isinstance(given, dict) else given

    def _put(self, document: dict[str, Any]) -> None:
        self._sink.write(json.dumps(document) + "\n")
        self._sink.flush()


def _number(text: str, least: float, most: float) -> float | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if least <= value <= most else None
