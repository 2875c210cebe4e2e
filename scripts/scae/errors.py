"""The one exception type for what a user can cause, and how text of unknown origin stands in a message."""

import unicodedata

LONGEST_LINE = 500  # characters of a message


class UserError(Exception):
    """A problem in the config, the data or the machine that the user can fix.

    Its message is one line that names the file, key or cell and says what to do. A job shows it without a traceback;
    every other exception is a defect of the workflow and keeps its traceback.
    """


def one_line(text):
    """A message as a terminal can show it: one line without control characters, the middle of a very long one left out.

    Names of cells, genes and files come from outside and may hold anything, such as an escape sequence.
    """
    text = "".join(_escaped(character) for character in text.strip())
    if len(text) > LONGEST_LINE:
        text = f"{text[: LONGEST_LINE * 2 // 3]} … {text[-LONGEST_LINE // 3 :]}"
    return text


def control_character(text):
    """The first character of a text that can be part of no name, such as a line break, as ``U+000A``; or None."""
    return next((f"U+{ord(character):04X}" for character in text if is_control(character)), None)


def is_control(character):
    """Whether a character moves the cursor, breaks the line, turns the direction of the text or stands for none."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(character) in TURNS


TURNS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def _escaped(character):
    return character.encode("unicode_escape").decode() if is_control(character) else character
