"""How a chat is spoken to: context, texts, keyboards, pages."""
