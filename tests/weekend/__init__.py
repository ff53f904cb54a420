"""A weekend in retrospect: the whole engine, real protocols of exchanges, sixty hours in minutes."""
