"""A weekend looked back on: the whole engine, real protocols of exchanges, sixty hours in minutes."""
