"""Just enough of PostgreSQL's protocol to run administrative statements on a server that trusts us.

Source: PostgreSQL documentation, "Frontend/Backend Protocol", simple query.
"""

from __future__ import annotations

import socket
import struct


class PostgresError(Exception):
    """The server refused a statement."""


def query(host: str, port: int, user: str, database: str, *statements: str) -> list[list[str | None]]:
    """Runs the statements one by one and returns the last one's rows as text. Raises PostgresError."""
    with socket.create_connection((host, port), timeout=60) as connection:
        stream = connection.makefile("rwb")
        startup = struct.pack("!i", 196608) + f"user\0{user}\0database\0{database}\0\0".encode()
        stream.write(struct.pack("!i", len(startup) + 4) + startup)
        stream.flush()
        _until_ready(stream)
        rows: list[list[str | None]] = []
        for statement in statements:
            body = statement.encode() + b"\0"
            stream.write(b"Q" + struct.pack("!i", len(body) + 4) + body)
            stream.flush()
            rows = _until_ready(stream)
        stream.write(b"X" + struct.pack("!i", 4))
        stream.flush()
        return rows


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def identifier(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def _until_ready(stream) -> list[list[str | None]]:
    rows: list[list[str | None]] = []
    failure = ""
    while True:
        kind = stream.read(1)
        if not kind:
            raise PostgresError("the server closed the connection")
        (length,) = struct.unpack("!i", stream.read(4))
        body = stream.read(length - 4)
        if kind == b"D":
            rows.append(_row(body))
        elif kind == b"E":
            fields = {part[:1]: part[1:].decode() for part in body.split(b"\0") if part}
            failure = fields.get(b"M", "unknown error")
            if fields.get(b"S") == "FATAL":
                raise PostgresError(failure)
        elif kind == b"Z":
            if failure:
                raise PostgresError(failure)
            return rows


def _row(body: bytes) -> list[str | None]:
    (count,) = struct.unpack_from("!h", body)
    at, values = 2, []
    for _ in range(count):
        (size,) = struct.unpack_from("!i", body, at)
        at += 4
        values.append(None if size < 0 else body[at : at + size].decode())
        at += max(size, 0)
    return values
