"""Frozen values that everything else is built from. Money and sizes are ``Decimal``, times are aware UTC."""
