"""What a report run tells, as text for people and as JSON for programs."""
