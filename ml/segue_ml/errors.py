"""Errors whose text is meant for the person who reads a failed job."""


class SegueError(Exception):
    """Something the user can fix; the message is one line that names the thing and the fix."""


def one_line(error: BaseException) -> str:
    """The error as one line, with its type when it is not one of ours."""
    text = " ".join(str(error).split())
    return text if isinstance(error, SegueError) else f"{type(error).__name__}: {text}"
