"""What changed from one audit to the next: by rule and subject, never by text. Pure."""
