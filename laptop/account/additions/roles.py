"""Service-linked roles under the names that AWS gives them, which are not always made of the service's own.

MiniStack makes `AWSServiceRoleForRds` of `rds.amazonaws.com`; AWS's is `AWSServiceRoleForRDS`.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html
"""

from __future__ import annotations

from .internals import need

#: What follows `AWSServiceRoleFor`, where it is not the service's name with a capital.
NAMES = {"rds.amazonaws.com": "RDS", "elasticache.amazonaws.com": "ElastiCache"}
ACTION = "CreateServiceLinkedRole"


def install() -> None:
    actions = need("ministack.services.iam", "_IAM_HANDLERS")
    original = actions[ACTION]

    def create(params: dict) -> tuple:
        service = need("ministack.services.iam", "_p")(params, "AWSServiceName")
        name = NAMES.get(service)
        if name is None:
            return original(params)
        roles = need("ministack.services.iam", "_roles")
        wanted, given = f"AWSServiceRoleFor{name}", f"AWSServiceRoleFor{service.split('.')[0].capitalize()}"
        if wanted in roles:
            return need("ministack.services.iam", "_error")(
                400, "InvalidInput", f"Service role name {wanted} has been taken in this account", ns="iam"
            )
        status, headers, body = original(params)
        if status < 400:
            role = roles.pop(given)
            roles[wanted] = {**role, "RoleName": wanted, "Arn": role["Arn"].replace(given, wanted)}
            body = body.replace(given.encode(), wanted.encode())
        return status, headers, body

    actions[ACTION] = create
