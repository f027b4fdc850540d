"""Headers of a mail, written so that whoever reads them gets back exactly what was put in.

The email library folds a long quoted name so that its commas part addresses (cpython's gh-80222, in every release
before 2025), and takes text that looks like an encoded word for one. Here a quoted name is never folded, and what is
neither plain nor quoted is encoded (RFC 2047).
"""

import re
from email.header import Header
from email.headerregistry import HeaderRegistry, SingleAddressHeader
from email.policy import SMTP
from typing import Any

_LINE_MAX = 76
_ENCODED = re.compile(r"=\?|\?=")
_PLAIN = re.compile(r"([A-Za-z0-9]+( [A-Za-z0-9]+)*)?")
_TO_ESCAPE = re.compile(r'["\\]')


class _Text:
    """A header that holds text of one line."""

    max_count = 1
    name: str

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        kwds |= {"decoded": value, "parse_tree": None}

    def fold(self, *, policy: Any) -> str:
        return f"{self.name}: {_words(str(self), self.name, policy.linesep)}{policy.linesep}"


class _Person(SingleAddressHeader):
    """A header that holds one name with its address, which stands on a line of its own: so no line is too long."""

    max_count = 1
    name: str

    def fold(self, *, policy: Any) -> str:
        name, address = self.address.display_name, f"<{self.address.addr_spec}>"
        if name.isascii() and not _ENCODED.search(name) and not _PLAIN.fullmatch(name):
            name = '"' + _TO_ESCAPE.sub(r"\\\g<0>", name) + '"'
        else:
            name = _words(name, self.name, policy.linesep)
        value = f"{name}{policy.linesep} {address}" if name else address
        return f"{self.name}: {value}{policy.linesep}"


def _words(text: str, header: str, linesep: str) -> str:
    """Text as it is where it is plain and fits on the line, else encoded."""
    plain = text.isascii() and not _ENCODED.search(text) and len(header) + 2 + len(text) <= _LINE_MAX
    return text if plain else Header(text, "utf-8", _LINE_MAX, header).encode(linesep=linesep)


class _Headers(HeaderRegistry):
    """The kinds of headers, each made once: the library would make a class for every header of every mail."""

    def __init__(self) -> None:
        text: Any = _Text
        person: Any = _Person
        super().__init__(default_class=text)
        self.registry |= {"subject": text, "from": person, "to": person}
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        kind = self._made.get(name.lower())
        if kind is None:
            kind = self._made[name.lower()] = super().__getitem__(name)
        return kind


POLICY = SMTP.clone(header_factory=_Headers())
