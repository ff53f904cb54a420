"""Client order ids follow from what an order is for, differ from each other, and fit every exchange."""

from __future__ import annotations

import string
from typing import Any

import pytest

from te_core.model.order import HEX_IDS, ClientOrderIdForm
from te_core.rules.client_order_ids import client_order_id, is_engine_id

FORMS = {
    "letters and digits": ClientOrderIdForm(),
    "hexadecimal": HEX_IDS,
    "lower case": ClientOrderIdForm(length=25, alphabet=string.digits + string.ascii_lowercase),
    "a number": ClientOrderIdForm(length=16, alphabet=string.digits, prefix="7"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_client_order_ids_follow_from_what_the_order_is_for(form: ClientOrderIdForm) -> None:
    one = client_order_id("j", "a", "BTCUSDT", 1, 1, 0, form=form)
    assert one == client_order_id("j", "a", "BTCUSDT", 1, 1, 0, form=form)
    others = {
        client_order_id(*key, form=form)
        for key in [
            ("k", "a", "BTCUSDT", 1, 1, 0),
            ("j", "b", "BTCUSDT", 1, 1, 0),
            ("j", "a", "ETHUSDT", 1, 1, 0),
            ("j", "a", "BTCUSDT", 2, 1, 0),
            ("j", "a", "BTCUSDT", 1, 2, 0),
            ("j", "a", "BTCUSDT", 1, 1, 1),
            ("j", "a", "BTCUSDT", 1, 11, 0),
            ("j", "a", "BTCUSDT", 11, 1, 0),
        ]
    }
    assert len(others) == 8
    assert one not in others
    assert all(len(each) == form.length and is_engine_id(each, form) for each in {one, *others})
    assert set(one) <= {*form.alphabet, *form.prefix}


def test_ids_of_100_000_orders_all_differ() -> None:
    for form in FORMS.values():
        made = {client_order_id("j", "a", "BTCUSDT", 1, step, 0, form=form) for step in range(25_000)}
        assert len(made) == 25_000


def test_the_default_ids_fit_the_strictest_exchange() -> None:
    """28 characters, letters and digits only: Gate's length and the alphabet of OKX, BloFin and Bitget."""
    made = client_order_id("j", "a", "BTCUSDT", 1, 1, 0, form=ClientOrderIdForm())
    assert len(made) == 22
    assert made.isalnum()
    assert made.isascii()


def test_numeric_ids_are_exact_in_floats_too() -> None:
    form = FORMS["a number"]
    assert int(form.prefix + "9" * (form.length - len(form.prefix))) < 2**53
    assert client_order_id("j", "a", "BTCUSDT", 1, 1, 0, form=form).isdecimal()


@pytest.mark.parametrize(
    ("client_order_id", "ours"),
    [
        ("7e" + "0Az9" * 5, True),
        ("7e" + "0a1b2c" * 5, True),  # as releases up to 0.1 made them
        ("7e" + "0Az9" * 4, False),
        ("7e" + "0Az_" * 5, False),
        ("7f" + "0Az9" * 5, False),
        ("web-" + "7e" + "0Az9" * 5, False),
        ("", False),
    ],
)
def test_ids_of_other_installations_are_recognised(client_order_id: str, ours: bool) -> None:
    assert is_engine_id(client_order_id, ClientOrderIdForm()) is ours


@pytest.mark.parametrize(
    "form",
    [{"length": 10}, {"alphabet": "0123456789", "length": 16}, {"alphabet": "aab"}, {"prefix": "7-"}],
)
def test_a_form_in_which_ids_could_repeat_is_refused(form: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="client order ids"):
        ClientOrderIdForm(**form)
