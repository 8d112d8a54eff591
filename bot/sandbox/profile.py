"""What the bot says about itself: name, descriptions, commands by scope and language, menu button."""

from dataclasses import dataclass, field

from bot.sandbox.params import Json

NAME = "TumorScan Bot"
USERNAME = "tumorscan_sandbox_bot"


@dataclass(slots=True)
class Profile:
    """The bot's account; texts by language code, where the empty code is for everybody else."""

    bot_id: int
    names: dict[str, str] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)
    short_descriptions: dict[str, str] = field(default_factory=dict)
    commands: dict[tuple[str, str], list[Json]] = field(default_factory=dict)
    """By scope (its type, with the chat and user where it has them) and language."""
    menu_button: Json = field(default_factory=lambda: {"type": "commands"})

    def user(self) -> Json:
        """The User object that stands under ``from`` in the bot's messages."""
        return {"id": self.bot_id, "is_bot": True, "first_name": self.name(), "username": USERNAME}

    def name(self, language: str = "") -> str:
        """The name in a language."""
        return self.names.get(language) or self.names.get("") or NAME

    def commands_for(self, chat_id: int, language: str) -> list[Json]:
        """The menu in a private chat: the narrowest scope wins, and in it the person's own language."""
        for scope in (f"chat:{chat_id}", "all_private_chats", "default"):
            for code in (language, ""):
                if found := self.commands.get((scope, code)):
                    return found
        return []
