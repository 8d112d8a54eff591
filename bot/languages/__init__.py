"""What the bot says: one folder a language, and the check that nothing of one is missing."""
