"""The ``te`` command: one file per command group. Heavy imports happen inside the commands that need them."""
