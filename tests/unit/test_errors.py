"""Messages are safe to print: one line, without control characters, not too long."""

import pytest

from scae.errors import LONGEST_LINE, control_character, one_line


@pytest.mark.parametrize(
    ("text", "shown", "found"),
    [
        ("plain ä text", "plain ä text", None),
        ("two\nlines", r"two\nlines", "U+000A"),
        ("\x1b[31mred", r"\x1b[31mred", "U+001B"),
        ("turned \u202e text", r"turned \u202e text", "U+202E"),
        ("line\u2028separator", r"line\u2028separator", "U+2028"),
        ("lone \ud800 surrogate", r"lone \ud800 surrogate", "U+D800"),
    ],
)
def test_control_characters_are_found_and_escaped(text, shown, found):
    assert one_line(text) == shown
    assert control_character(text) == found


def test_the_middle_of_a_long_message_is_left_out():
    text = "start" + "x" * 2 * LONGEST_LINE + "end"
    assert one_line(f" {text}\n").startswith("startx")
    assert one_line(text).endswith("xend")
    assert LONGEST_LINE <= len(one_line(text)) < LONGEST_LINE + 5
    assert one_line("x" * LONGEST_LINE) == "x" * LONGEST_LINE
