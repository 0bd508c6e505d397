"""One report run: audit, compare with the last, store, tell through every door."""
