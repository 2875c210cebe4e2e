"""The exception for problems that a user can fix, and messages that are safe to print."""

import unicodedata

LONGEST_LINE = 500  # characters of a message


class UserError(Exception):
    """A problem in the config, the data or the machine that the user can fix.

    Its message is one line that names the file, key or cell and says what to do. A job shows it without a traceback;
    any other exception is a bug of the workflow and keeps its traceback.
    """


def printable(text):
    """Text with its control characters escaped, line breaks too, for a terminal or a log.

    Names of cells, genes and files are untrusted and may contain anything, such as an escape sequence.
    """
    return text if text.isascii() and text.isprintable() else "".join(map(_escaped, text))


def one_line(text):
    """A message that a terminal can show: `printable`, and the middle of a long one left out."""
    text = printable(text.strip())
    if len(text) > LONGEST_LINE:
        text = f"{text[: LONGEST_LINE * 2 // 3]} … {text[-LONGEST_LINE // 3 :]}"
    return text


def counted(number, noun):
    """A number with its noun: 1 job, 2 jobs."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def control_character(text):
    """The first control character of a text, such as a line break, written ``U+000A``; None without one."""
    return next((f"U+{ord(character):04X}" for character in text if is_control(character)), None)


def is_control(character):
    """Whether a character moves the cursor, breaks the line, changes the text direction or is a lone surrogate."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(character) in TURNS


TURNS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def _escaped(character):
    return character.encode("unicode_escape").decode() if is_control(character) else character
