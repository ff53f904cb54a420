"""Frozen values that everything else is made of. Money and sizes are ``Decimal``, times are aware UTC."""
