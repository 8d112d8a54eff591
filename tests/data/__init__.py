"""The public Bot API description, condensed, and how it was."""
