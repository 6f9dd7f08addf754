"""Errors that SageMaker answers with, by their names on the wire."""

from __future__ import annotations


class ApiError(Exception):
    """A refusal. `code` is AWS's name for it, e.g. `ValidationException` or `ResourceNotFound`."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def invalid(message: str) -> ApiError:
    return ApiError("ValidationException", message)


def not_emulated(what: str) -> ApiError:
    """For what AWS does and this account does not: a clear refusal rather than a silent difference."""
    return invalid(f"{what} is not emulated on this account")


def not_found(message: str) -> ApiError:
    return ApiError("ResourceNotFound", message)


class JobFailure(Exception):
    """A job ends as Failed with this FailureReason."""
