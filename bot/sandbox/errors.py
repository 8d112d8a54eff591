"""The refusals that the local server answers with, in Telegram's words."""


class ApiError(Exception):
    """A call that Telegram would refuse; ``code`` is both the HTTP status and ``error_code`` of the answer."""

    def __init__(self, code: int, description: str, retry_after: int | None = None) -> None:
        super().__init__(f"{code} {description}")
        self.code = code
        self.description = description
        self.retry_after = retry_after


def bad_request(text: str) -> ApiError:
    """400, with the prefix that Telegram puts before the text."""
    return ApiError(400, f"Bad Request: {text}")


def forbidden(text: str) -> ApiError:
    """403: the person does not want to hear from the bot, or has never spoken to it."""
    return ApiError(403, f"Forbidden: {text}")


def conflict(text: str) -> ApiError:
    """409: two ways of fetching updates at once."""
    return ApiError(409, f"Conflict: {text}")


def too_many_requests(retry_after: int) -> ApiError:
    """429, with the seconds after which the same call may be tried again."""
    return ApiError(429, f"Too Many Requests: retry after {retry_after}", retry_after)


class PersonError(ValueError):
    """Something that a test person asked for can't be done; the text is for the page and for the test's author."""
