"""Texts: one form in which they are kept, whoever sends them, and none in which one could pass for another."""

import re
import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone_contracts import texts
from touchstone_contracts.texts import NotKept, kept
from touchstone_devkit.eventually import patience

CHARACTERS = [chr(point) for point in range(sys.maxunicode + 1)]
ODD = (
    "a é e\u0301\u0323 \t\r\n\x00\x1c\x85\xa0\xad\u200b\u200c\u200d\u200f\u2028\u202e\u2066\u3164\ufe0f\ud800"
    "\u1100\u1161"
)
TEXTS = st.text(max_size=12) | st.text(ODD, max_size=12)


@pytest.mark.parametrize(
    ("text", "as_kept"),
    [
        ("Qatalum, Mesaieed", "Qatalum, Mesaieed"),
        (" \t Qatalum \u3000\n", "Qatalum"),
        ("Me\u0301saieed", "M\u00e9saieed"),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),  # Devanagari with ZWJ
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("\U0001f469\u200d\U0001f52c\ufe0f", "\U0001f469\u200d\U0001f52c\ufe0f"),
        ("Soci\u00e9t\u00e9\u00a0anonyme", "Soci\u00e9t\u00e9\u00a0anonyme"),
        ("\u05d0\u200f!", "\u05d0\u200f!"),
        ("", ""),
        (" \u200b\u3164\u2800\ufeff", ""),
    ],
)
def test_a_text_is_composed_and_without_blanks_at_its_ends(text: str, as_kept: str) -> None:
    assert kept(text) == as_kept


@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\0", "\x1b", "\x7f", "\x85", "\x9b", "\u2028", "\u2029"])
@pytest.mark.parametrize("lines", [False, True])
def test_nothing_breaks_a_line_or_steers_a_terminal(character: str, lines: bool) -> None:
    if lines and character == "\n":
        assert kept("a\nb", lines=True) == "a\nb"
        return
    with pytest.raises(NotKept, match=f"U\\+{ord(character):04X}"):
        kept(f"a{character}b", lines=lines)


@pytest.mark.parametrize("character", [*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", "\ud83d"])
def test_nothing_turns_the_direction_of_writing_and_nothing_is_half_a_character(character: str) -> None:
    with pytest.raises(NotKept):
        kept(f"a{character}b")


def test_of_several_lines_each_ends_in_lf() -> None:
    assert kept("\r\nFirst.\r\n\r\nSecond.\n ", lines=True) == "First.\n\nSecond."


def test_what_unicode_calls_invisible_is_nothing_to_see() -> None:
    words = ("ZERO WIDTH", "VARIATION SELECTOR", "INVISIBLE", "WORD JOINER", "SEONG FILLER", "HANGUL FILLER")
    called_so = re.compile("|".join(words)).search
    named = [c for c in CHARACTERS if called_so(unicodedata.name(c, ""))]
    blanks = [c for c in CHARACTERS if unicodedata.category(c) == "Zs"]

    assert len(named) > 260
    assert [c for c in (*named, *blanks, "\u2800", "\U000e0041") if kept(c)] == []


@pytest.mark.parametrize(
    "text", ["\u2764\ufe0f", "\U0001f3f4\U000e0067\U000e007f", "\u200bx", "\u0d02\u200d", "\ue000", "."]
)
def test_what_can_be_seen_stays_with_what_is_invisible_beside_it(text: str) -> None:
    assert kept(text) == text


@pytest.mark.parametrize("lines", [False, True])
@given(text=TEXTS)
def test_what_is_kept_is_composed_and_is_kept_again_as_it_is(text: str, lines: bool) -> None:
    try:
        result = kept(text, lines=lines)
    except NotKept:
        return

    assert kept(result, lines=lines) == result
    assert unicodedata.is_normalized("NFC", result)


def test_what_is_printable_holds_nothing_that_is_refused() -> None:
    assert not [c for c in CHARACTERS if c.isprintable() and texts._REFUSED.search(c)]


def test_marks_that_are_piled_up_out_of_order_are_refused_soon() -> None:
    pile = "a" + "\u0301\u0323" * 5_000
    began = time.monotonic()

    with pytest.raises(NotKept, match="30 combining marks"):
        kept(pile)

    assert time.monotonic() - began < 0.02 * patience()
    assert kept("a" + "\u0301\u0323" * 10) == unicodedata.normalize("NFC", "a" + "\u0301\u0323" * 10)
