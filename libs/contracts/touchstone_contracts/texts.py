"""Texts for people: the one form in which they are kept, and what of a text could pretend to be something else."""

import re
import unicodedata

CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
"""Of a character class: control characters, whatever else breaks a line, and halves of characters."""
BIDI_CONTROLS = r"\u202a-\u202e\u2066-\u2069"
"""Of a character class: what lets a text be read in another order than it was written."""
MARKS_MAX = 30
"""So many combining marks no language puts upon one letter (UAX #15, stream-safe text)."""

_REFUSED = re.compile(f"[{CONTROLS}{BIDI_CONTROLS}]")
_REFUSED_IN_LINES = re.compile(rf"(?!\n)[{CONTROLS}{BIDI_CONTROLS}]")
_NOTHING_TO_SEE = re.compile(
    r"[\s\u2800\U00016fe4\U0001d159\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]*"
)
"""Blanks, what is as good as one, and Unicode's Default_Ignorable_Code_Point."""


class NotKept(ValueError):
    """No text may hold this; the message says what, in a sentence for whoever sent it."""


def kept(text: str, *, lines: bool = False) -> str:
    """The text as it is kept: composed (NFC), without blanks at its ends, its line breaks LF. Raises NotKept.

    Of a text in which there is nothing to see, nothing is left. Characters that join others or keep them apart (ZWJ,
    ZWNJ) stay: Persian, the scripts of India and emoji need them.
    """
    text = (text.replace("\r\n", "\n") if lines else text).strip()
    is_printable = (text.replace("\n", "") if lines else text).isprintable()  # sooner asked, and holds nothing refused
    if not is_printable and (found := (_REFUSED_IN_LINES if lines else _REFUSED).search(text)):
        breaks = "" if lines else "line breaks, "
        others = "control characters, halves of characters and what turns the direction of writing"
        raise NotKept(f"Holds U+{ord(found[0]):04X}: {breaks}{others} are not taken.")
    if text.isascii():
        return text
    if not unicodedata.is_normalized("NFC", text):
        if _is_piled_up(text):
            raise NotKept(f"Holds more than {MARKS_MAX} combining marks in a row.")
        text = unicodedata.normalize("NFC", text)
    return "" if _NOTHING_TO_SEE.fullmatch(text) else text


def _is_piled_up(text: str) -> bool:
    """Whether so many marks are in a row that putting them in order could take long: its time grows by the square."""
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > MARKS_MAX:
            return True
    return False
