"""Redact secrets in data from outside before it is written (I12)."""

from te_core.secrets import Redact, redacted

__all__ = ["Redact", "redacted"]
