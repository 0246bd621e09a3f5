"""Mainstay: one program that owns an organisation's IT. Start at ARCHITECTURE.md."""
