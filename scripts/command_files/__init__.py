"""Manual pages and completions, made from the commands themselves so that they cannot drift."""
