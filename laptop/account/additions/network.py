"""AWS::EC2::SecurityGroupIngress and SecurityGroupEgress: rules of their own, which CDK emits between security groups.

Rules are kept, and shown by DescribeSecurityGroups, but nothing enforces them on a laptop.
"""

from __future__ import annotations

import uuid

from .internals import need

KINDS = {
    "AWS::EC2::SecurityGroupIngress": "IpPermissions",
    "AWS::EC2::SecurityGroupEgress": "IpPermissionsEgress",
}


def install() -> None:
    handlers = need("ministack.services.cloudformation.provisioners", "_RESOURCE_HANDLERS")
    for kind, store in KINDS.items():
        handlers.setdefault(kind, _handler(kind, store))


def _handler(kind: str, store: str) -> dict:
    groups = need("ministack.services.ec2", "_security_groups")
    permissions = need("ministack.services.cloudformation.provisioners", "_ec2_sg_permissions")

    def create(logical_id: str, props: dict, stack_name: str) -> tuple[str, dict]:
        group = groups.get(props.get("GroupId", ""))
        if group is None:
            raise ValueError(f"{kind} {logical_id}: security group {props.get('GroupId')!r} does not exist")
        rule_id = f"sgr-{uuid.uuid4().hex[:17]}"
        group[store].extend({**rule, "SecurityGroupRuleId": rule_id} for rule in permissions([props]))
        return rule_id, {"Id": rule_id}

    def delete(physical_id: str, props: dict) -> None:
        group = groups.get(props.get("GroupId", ""))
        if group is not None:
            group[store][:] = [rule for rule in group[store] if rule.get("SecurityGroupRuleId") != physical_id]

    def update(physical_id: str, old_props: dict, new_props: dict, stack_name: str) -> tuple[str, dict]:
        created = create(physical_id, new_props, stack_name)
        delete(physical_id, old_props)
        return created

    return {"create": create, "update": update, "delete": delete}
