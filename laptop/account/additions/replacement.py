"""Which changed property makes CloudFormation replace a resource, from AWS's own resource schemas.

MiniStack lists these properties for some types and updates every other one in place, whatever changed. The schemas come
with cfn-lint; what is nested (`Budget/BudgetName`) is left to the type's own handler.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from .internals import MissingInternal, need

REGION = "us-east-1"


def install() -> None:
    provisioners = "ministack.services.cloudformation.provisioners"
    known = need(provisioners, "_REPLACING_PROPERTIES")
    schemas = Schemas()
    for kind in need(provisioners, "_RESOURCE_HANDLERS"):
        properties = schemas.create_only(kind)
        if properties is not None:
            known.setdefault(kind, properties)


class Schemas:
    """AWS's schemas of resource types, as cfn-lint brings them."""

    def __init__(self) -> None:
        lint = find_spec("cfnlint")
        if lint is None or lint.origin is None:
            raise MissingInternal("cfn-lint is not installed: install the version that the requirements pin")
        self._folder = Path(lint.origin).parent / "data" / "schemas"
        self._files = json.loads((self._folder / "providers" / f"{REGION}.json").read_text())

    def create_only(self, kind: str) -> tuple[str, ...] | None:
        """The properties that cannot change on a resource that exists; None for a type that AWS does not list."""
        name = self._files.get(kind)
        if name is None:
            return None
        schema = json.loads((self._folder / "resources" / f"{name}.json").read_text())
        paths = [path.removeprefix("/properties/") for path in schema.get("createOnlyProperties", [])]
        return tuple(path for path in paths if "/" not in path)
