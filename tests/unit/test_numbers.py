"""Numbers as the pages print them."""

from __future__ import annotations

import pytest

from syntic.evaluation.controls import Control, name_value
from syntic.ui.numbers import number


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (-0.4, None, "−0.4"),
        (0.125, None, "0.125"),
        (-1, None, "−1"),
        (-0.0, None, "0"),
        (-0.0004, 3, "0.000"),
        (-1.2345, 2, "−1.23"),
        (12.0, 1, "12.0"),
    ],
)
def test_a_minus_sign_is_one_and_zero_has_none(value, digits, text):
    assert number(value, digits) == text


def test_what_was_turned_is_named_with_a_minus_sign():
    assert name_value(Control.SHIFT, -0.5) == "generated, shifted by −0.5"
