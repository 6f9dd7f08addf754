"""AWS::Glue::SecurityConfiguration, on MiniStack's own Glue API: how a Glue job encrypts what it writes. Kept and shown, not acted on."""

from __future__ import annotations

from .internals import need

TYPE = "AWS::Glue::SecurityConfiguration"


def install() -> None:
    handlers = need("ministack.services.cloudformation.provisioners", "_RESOURCE_HANDLERS")
    handlers.setdefault(TYPE, {"create": _create, "delete": _delete})


def _create(logical_id: str, props: dict, stack_name: str) -> tuple[str, dict]:
    name = props.get("Name") or f"{stack_name}-{logical_id}"
    status, _headers, body = need("ministack.services.glue", "_create_security_configuration")({**props, "Name": name})
    if status >= 400:
        raise ValueError(f"{TYPE} {logical_id}: {body!r}")
    return name, {}


def _delete(physical_id: str, props: dict) -> None:
    need("ministack.services.glue", "_delete_security_configuration")({"Name": physical_id})
