"""ElastiCache Serverless on the real Valkey.

MiniStack keeps the records of caches, users and groups and answers their API. Added here: the CloudFormation type
AWS::ElastiCache::ServerlessCache, and an ACL user in Valkey for every AWS::ElastiCache::User, with the access string that
it has in AWS, so that what is refused there is refused here.
"""

from __future__ import annotations

import re

import valkey

from .internals import need
from .settings import Server, Settings

PROVISIONERS = "ministack.services.cloudformation.provisioners"
ELASTICACHE = "ministack.services.elasticache"
CACHE, USER = "AWS::ElastiCache::ServerlessCache", "AWS::ElastiCache::User"
REPLACING = {"ServerlessCacheName", "SubnetIds", "KmsKeyId", "NetworkType", "ConnectionType", "SnapshotArnsToRestore"}
UPDATED = (
    "CacheUsageLimits",
    "DailySnapshotTime",
    "Description",
    "MajorEngineVersion",
    "SecurityGroupIds",
    "SnapshotRetentionLimit",
    "UserGroupId",
)


def install(settings: Settings) -> None:
    handlers = need(PROVISIONERS, "_RESOURCE_HANDLERS")
    need(PROVISIONERS, "_REPLACING_PROPERTIES").setdefault(CACHE, REPLACING)
    users = Users(settings.valkey)
    handlers[CACHE] = _cache_handler(users)
    handlers[USER] = _user_handler(handlers[USER], users)


class Users:
    """The ACL users of the real Valkey."""

    def __init__(self, server: Server) -> None:
        self._client = valkey.Valkey(
            host=server.host, port=server.port, username=server.user, password=server.secret, socket_timeout=5
        )
        self._manager = server.user

    def put(self, name: str, rules: list[str]) -> None:
        """Creates or replaces a user. Raises ValueError when Valkey does not know one of the rules."""
        if name in (self._manager, "default"):
            raise ValueError(f"{USER}: the name {name!r} is taken")
        try:
            self._client.execute_command("ACL", "SETUSER", name, "reset", *rules)
        except valkey.ResponseError as error:
            raise ValueError(f"{USER} {name}: access string refused by Valkey: {error}") from None

    def remove(self, name: str) -> None:
        if name not in (self._manager, "default"):
            self._client.execute_command("ACL", "DELUSER", name)

    def forget_keys(self) -> None:
        self._client.flushall()


def acl_rules(props: dict) -> list[str]:
    """The Valkey ACL rules of a template's user.

    IAM authentication accepts any token: the account checks no signature. A user with passwords keeps them.
    """
    rules = str(props.get("AccessString") or "").split()
    mode = props.get("AuthenticationMode") or {}
    passwords = list(mode.get("Passwords") or props.get("Passwords") or [])
    kind = mode.get("Type") or ("password" if passwords else "no-password-required")
    if kind == "password":
        return [*rules, *(f">{password}" for password in passwords)]
    return [*rules, "nopass"]


def _check_user(props: dict) -> None:
    name, user_id = props.get("UserName", ""), props.get("UserId", "")
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", user_id):
        raise ValueError(f"{USER}: UserId {user_id!r} must be lowercase letters, digits and hyphens, a letter first")
    if (props.get("AuthenticationMode") or {}).get("Type") == "iam" and name != user_id:
        raise ValueError(f"{USER} {user_id}: with IAM authentication UserName must equal UserId, it is {name!r}")


def _user_handler(original: dict, users: Users) -> dict:
    """MiniStack's own handler of the type, each change followed in Valkey."""

    def create(logical_id: str, props: dict, stack_name: str) -> tuple[str, dict]:
        _check_user(props)
        created = original["create"](logical_id, props, stack_name)
        try:
            users.put(props["UserName"], acl_rules(props))
        except ValueError:
            original["delete"](created[0], props)
            raise
        return created

    def update(physical_id, old_props, new_props, stack_name, logical_id=None):
        _check_user(new_props)
        users.put(new_props["UserName"], acl_rules(new_props))
        if old_props.get("UserName") != new_props["UserName"]:
            users.remove(old_props.get("UserName", ""))
        return original["update"](physical_id, old_props, new_props, stack_name, logical_id)

    def delete(physical_id: str, props: dict) -> None:
        original["delete"](physical_id, props)
        users.remove(props.get("UserName", ""))

    return {**original, "create": create, "update": update, "delete": delete}


def _cache_handler(users: Users) -> dict:
    call, query, sync_tags = (need(PROVISIONERS, name) for name in ("_ec_call", "_ec_query", "_ec_sync_tags"))
    caches = need(ELASTICACHE, "_serverless_caches")
    api = {verb: need(ELASTICACHE, f"_{verb}_serverless_cache") for verb in ("create", "modify", "delete")}

    def attributes(name: str) -> dict:
        record = caches[name]
        return {
            "ARN": record["ARN"],
            "Status": record["Status"],
            "FullEngineVersion": record["FullEngineVersion"],
            **{
                f"{kind}.{part}": str(record[kind][part])
                for kind in ("Endpoint", "ReaderEndpoint")
                for part in ("Address", "Port")
            },
        }

    def create(logical_id: str, props: dict, stack_name: str) -> tuple[str, dict]:
        name = props.get("ServerlessCacheName", "")
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", name):
            raise ValueError(
                f"{CACHE} {logical_id}: ServerlessCacheName {name!r} must be lowercase, a letter first, "
                "at most 40 characters"
            )
        call(api["create"], query(props), CACHE, "create")
        return name, attributes(name)

    def update(physical_id: str, old_props: dict, new_props: dict, stack_name: str) -> tuple[str, dict]:
        changed = {key: new_props[key] for key in UPDATED if new_props.get(key) not in (None, old_props.get(key))}
        if changed:
            call(api["modify"], {"ServerlessCacheName": physical_id, **query(changed)}, CACHE, "update")
        sync_tags(caches[physical_id]["ARN"], old_props, new_props, CACHE)
        return physical_id, attributes(physical_id)

    def delete(physical_id: str, props: dict) -> None:
        if physical_id not in caches:
            return
        call(api["delete"], {"ServerlessCacheName": physical_id}, CACHE, "delete")
        if not caches:
            users.forget_keys()  # every cache leads to the one server

    return {"create": create, "update": update, "delete": delete}
