"""AWS::WAFv2::WebACLAssociation and LoggingConfiguration: what a web ACL stands before, and where it logs.

Both are kept, and the association is shown by GetWebACLForResource; no request is judged on a laptop.
"""

from __future__ import annotations

import json
import re

from .internals import need

ASSOCIATION = "AWS::WAFv2::WebACLAssociation"
LOGGING = "AWS::WAFv2::LoggingConfiguration"
#: https://docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html
LOG_GROUP = re.compile(r"^arn:[^:]+:logs:[^:]+:\d{12}:log-group:aws-waf-logs-[^:*]+$")


def install() -> None:
    handlers = need("ministack.services.cloudformation.provisioners", "_RESOURCE_HANDLERS")
    handlers.setdefault(ASSOCIATION, _association())
    handlers.setdefault(LOGGING, _logging())


def _association() -> dict:
    associate = need("ministack.services.waf", "_associate_web_acl")
    disassociate = need("ministack.services.waf", "_disassociate_web_acl")

    def create(logical_id: str, props: dict, stack_name: str) -> tuple[str, dict]:
        status, _, body = associate(props)
        if status >= 400:
            raise ValueError(f"{ASSOCIATION} {logical_id}: {json.loads(body).get('message')}")
        return f"{props['ResourceArn']}|{props['WebACLArn']}", {}

    def update(physical_id: str, old_props: dict, new_props: dict, stack_name: str) -> tuple[str, dict]:
        disassociate(old_props)
        return create(physical_id, new_props, stack_name)

    return {"create": create, "update": update, "delete": lambda physical_id, props: disassociate(props)}


def _logging() -> dict:
    def create(logical_id: str, props: dict, stack_name: str) -> tuple[str, dict]:
        for destination in props["LogDestinationConfigs"]:
            if not LOG_GROUP.match(destination):
                raise ValueError(f"{LOGGING} {logical_id}: {destination} is no log group whose name starts aws-waf-logs-")
        return props["ResourceArn"], {}

    def update(physical_id: str, old_props: dict, new_props: dict, stack_name: str) -> tuple[str, dict]:
        return create(physical_id, new_props, stack_name)

    return {"create": create, "update": update, "delete": lambda physical_id, props: None}
