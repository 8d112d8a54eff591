"""A local stand-in for Telegram: the Bot API over HTTP, test people, and a chat page.

``Sandbox.start()`` serves it in this process; ``SandboxClient`` drives the people of a sandbox anywhere.
"""

from bot.sandbox.client import Answer, Attachment, Button, Message, Person, SandboxClient
from bot.sandbox.errors import PersonError
from bot.sandbox.faults import Fault, Faults
from bot.sandbox.rules import Rules
from bot.sandbox.sandbox import Sandbox

__all__ = [
    "Answer", "Attachment", "Button", "Fault", "Faults", "Message",
    "Person", "PersonError", "Rules", "Sandbox", "SandboxClient",
]  # fmt: skip
