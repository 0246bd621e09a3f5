"""Tables of assurance."""
