"""What the parts of the bot tell the audit log; nothing is kept, unless an operator wants one."""


class AuditLog:
    """Where what people do is noted. This one keeps nothing: for a bot without AUDIT_DIR."""

    def note(self, who: int | None, what: str, outcome: str) -> None:
        """Note that somebody (a chat's id) did something, and how it ended."""

    def close(self) -> None:
        """Note no more."""
