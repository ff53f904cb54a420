"""Client order ids derived from what the order is for, so that a retry is the same order (I3)."""

from __future__ import annotations

import re
from hashlib import blake2b

from te_core.model.order import HEX_IDS, ClientOrderIdForm


def client_order_id(
    journal_id: str,
    account: str,
    symbol: str,
    revision: int,
    step: int,
    chunk: int,
    *,
    form: ClientOrderIdForm,
) -> str:
    """Return the id of one order, in the form that the exchange accepts.

    ``journal_id`` is part of it so that a new journal on the same account never reuses its predecessor's ids.
    """
    text = "\0".join((journal_id, account, symbol, str(revision), str(step), str(chunk)))
    number = int.from_bytes(blake2b(text.encode(), digest_size=15).digest())
    base, digits = len(form.alphabet), ""
    for _ in range(form.length - len(form.prefix)):
        number, digit = divmod(number, base)
        digits = form.alphabet[digit] + digits
    return form.prefix + digits


def is_engine_id(client_order_id: str, form: ClientOrderIdForm) -> bool:
    """Return whether an id has the format of a trade-engine id, of any installation.

    ``form``: the exchange's. Releases up to 0.1 used ``HEX_IDS`` everywhere.
    """
    return any(
        len(client_order_id) == each.length
        and re.fullmatch(f"{each.prefix}[{re.escape(each.alphabet)}]+", client_order_id) is not None
        for each in (form, HEX_IDS)
    )
