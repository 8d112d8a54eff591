"""The bot: everything that knows Telegram, and the only package that knows the other three."""
