"""``python -m tests.audit``: what the serving install is made of, whether it may be, and what is known against it."""
