"""Aurora on the real PostgreSQL: the endpoints of clusters and instances that a stack makes lead to it.

MiniStack keeps the records and answers the RDS API. Added here: the real address, the cluster's database, its master user,
and an empty server after the last cluster has gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from . import pgwire
from .internals import need
from .settings import Settings

CLUSTER, INSTANCE = "AWS::RDS::DBCluster", "AWS::RDS::DBInstance"
#: The role that Aurora has from the start; `GRANT rds_iam TO …` lets a user sign in with a token.
IAM_ROLE = "rds_iam"


def install(settings: Settings) -> None:
    handlers = need("ministack.services.cloudformation.provisioners", "_RESOURCE_HANDLERS")
    databases = Databases(settings)
    for kind, records, name_of in (
        (CLUSTER, need("ministack.services.rds", "_clusters"), lambda props: props.get("DatabaseName", "")),
        (INSTANCE, need("ministack.services.rds", "_instances"), _instance_database),
    ):
        handlers[kind] = _handler(handlers[kind], records, name_of, databases, settings)


def _instance_database(props: dict) -> str | None:
    """An instance's own database; None for a cluster's member, which shares the cluster's."""
    return None if props.get("DBClusterIdentifier") else props.get("DBName", "")


class Databases:
    """The databases of the one server, and which cluster or instance each belongs to."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._owners: dict[str, set[str]] = defaultdict(set)

    def run(self, *statements: str) -> list[list[str | None]]:
        server = self._settings.postgres
        return pgwire.query(server.host, server.port, server.user, "postgres", *statements)

    def take(self, owner: str, name: str, master: str) -> None:
        """Makes the database, and a master user other than the server's own, when they are absent."""
        self._owners[name].add(owner)
        if master not in ("", self._settings.postgres.user) and not self.run(
            f"SELECT 1 FROM pg_roles WHERE rolname = {pgwire.literal(master)}"
        ):
            role = pgwire.identifier(master)
            self.run(f"CREATE ROLE {role} LOGIN CREATEDB CREATEROLE", f"GRANT pg_read_all_data TO {role}")
        if not self.run(f"SELECT 1 FROM pg_database WHERE datname = {pgwire.literal(name)}"):
            self.run(f"CREATE DATABASE {pgwire.identifier(name)}")
        if master not in ("", self._settings.postgres.user):
            self.run(f"ALTER DATABASE {pgwire.identifier(name)} OWNER TO {pgwire.identifier(master)}")

    def leave(self, owner: str) -> None:
        """Empties what belonged to nobody else; after the last owner also removes the roles that were made."""
        for name, owners in list(self._owners.items()):
            if owner not in owners:
                continue
            owners.discard(owner)
            if owners:
                continue
            del self._owners[name]
            self.run(f"DROP DATABASE IF EXISTS {pgwire.identifier(name)} WITH (FORCE)")
            if name == self._settings.database:
                self.run(f"CREATE DATABASE {pgwire.identifier(name)}")
        if not self._owners:
            kept = (self._settings.postgres.user, IAM_ROLE)
            for (role,) in self.run("SELECT rolname FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%'"):
                if role not in kept:
                    self.run(f"DROP ROLE {pgwire.identifier(str(role))}")


def _handler(original: dict, records, name_of: Callable[[dict], str | None], databases: Databases, settings: Settings) -> dict:
    address, port = settings.postgres.host, settings.postgres.port

    def lead_there(physical_id: str, attributes: dict) -> dict:
        """Points the record, which the RDS API describes, and the template's attributes at the real server."""
        record = records[physical_id]
        if isinstance(record["Endpoint"], dict):  # an instance
            record["Endpoint"].update(Address=address, Port=port)
        else:
            record.update(Endpoint=address, ReaderEndpoint=address, Port=port)
            attributes = {**attributes, "ReadEndpoint.Address": address}
        return {**attributes, "Endpoint.Address": address, "Endpoint.Port": str(port)}

    def create(logical_id: str, props: dict, stack_name: str) -> tuple[str, dict]:
        engine = str(props.get("Engine", ""))
        if "postgres" not in engine:
            raise ValueError(f"{logical_id}: Engine {engine!r} is not emulated here, only PostgreSQL is")
        physical_id, attributes = original["create"](logical_id, props, stack_name)
        name = name_of(props)
        if name is not None:
            databases.take(physical_id, name or settings.database, props.get("MasterUsername") or "")
        return physical_id, lead_there(physical_id, attributes)

    def update(physical_id, old_props, new_props, stack_name, logical_id=None):
        new_id, attributes = original["update"](physical_id, old_props, new_props, stack_name, logical_id)
        return new_id, lead_there(new_id, attributes)

    def delete(physical_id: str, props: dict) -> None:
        original["delete"](physical_id, props)
        databases.leave(physical_id)

    return {**original, "create": create, "update": update, "delete": delete}
