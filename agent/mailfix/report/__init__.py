"""Every way of writing an audit down: text for people, JSON for programs."""
