"""What the bot answers: one module a subject, each with ``handlers() -> list`` in the order of their turn."""
