"""What the bot knows: facts with their sources, one folder a language, and the code that finds the right one."""
