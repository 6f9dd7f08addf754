"""Requests checked against the service's own model, which botocore ships: what AWS refuses, this refuses.

botocore's validator finds missing, unknown and mistyped members; the patterns, enumerations and upper limits, which it
leaves to the service, are compared here, with the service's own words.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from .errors import invalid


@lru_cache(maxsize=1)
def model():
    """The SageMaker service model. Takes about a second the first time."""
    return botocore.session.get_session().get_service_model("sagemaker")


def validate(operation: str, request: dict) -> None:
    """Raises ApiError ValidationException naming what is wrong with a request to `operation`."""
    shape = model().operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        # One line: the first of botocore's sentences, without its line breaks.
        raise invalid(f"1 validation error detected: {' '.join(report.generate_report().split())}")
    found = list(_violations(shape, request, ""))
    if found:
        plural = "s" if len(found) > 1 else ""
        raise invalid(f"{len(found)} validation error{plural} detected: {'; '.join(found)}")


def _violations(shape, value: Any, path: str):
    if shape.type_name == "structure":
        for name, member in value.items():
            yield from _violations(shape.members[name], member, _join(path, name))
        return
    if shape.type_name == "list":
        yield from _limit(shape, len(value), path, value, "have length")
        for index, member in enumerate(value):
            yield from _violations(shape.member, member, f"{path}.{index + 1}.member")
        return
    if shape.type_name == "map":
        yield from _limit(shape, len(value), path, value, "have length")
        for key, member in value.items():
            yield from _violations(shape.key, key, f"{path}.{key}.key")
            yield from _violations(shape.value, member, f"{path}.{key}.value")
        return
    if shape.type_name == "string":
        yield from _limit(shape, len(value), path, value, "have length")
        if shape.enum and value not in shape.enum:
            yield _sentence(value, path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
        pattern = shape.metadata.get("pattern")
        if pattern and not _matches(pattern, value):
            yield _sentence(value, path, f"Member must satisfy regular expression pattern: {pattern}")
        return
    if shape.type_name in ("integer", "long", "float", "double"):
        yield from _limit(shape, value, path, value, "have value")


def _limit(shape, measure: float, path: str, value: Any, verb: str):
    for key, broken, words in (
        ("min", lambda limit: measure < limit, "greater than or equal to"),
        ("max", lambda limit: measure > limit, "less than or equal to"),
    ):
        limit = shape.metadata.get(key)
        if limit is not None and broken(limit):
            yield _sentence(value, path, f"Member must {verb} {words} {limit}")


def _sentence(value: Any, path: str, constraint: str) -> str:
    return f"Value '{value}' at '{path}' failed to satisfy constraint: {constraint}"


def _join(path: str, name: str) -> str:
    camel = name[:1].lower() + name[1:]
    return f"{path}.{camel}" if path else camel


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern | None:
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error:
        return None  # Java's `\\p{L}` and the like, which Python does not have


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(value) is not None
