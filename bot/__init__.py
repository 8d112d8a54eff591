"""The hall: everything that knows Telegram, and the only room that knows the other three."""
