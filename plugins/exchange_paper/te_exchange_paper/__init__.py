"""A paper account: a linear-perpetual exchange that lives in a file."""
