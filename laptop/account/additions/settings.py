"""What the launcher is told, from a file rather than the environment, which every Lambda and job would inherit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

ACCOUNT_ID = "123456789012"


@dataclass(frozen=True)
class Server:
    """Where one of the real servers listens and whom to connect as."""

    host: str
    port: int
    user: str
    secret: str


@dataclass(frozen=True)
class Settings:
    port: int
    region: str
    jobs_dir: Path
    log_dir: Path
    postgres: Server
    database: str
    valkey: Server
    #: Where to record who calls what, or nowhere.
    calls_file: Path | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{ACCOUNT_ID}:{resource}"


def load(file: Path) -> Settings:
    """Reads the settings file that `startAccount` writes."""
    raw = json.loads(file.read_text())
    postgres, valkey = raw["postgres"], raw["valkey"]
    return Settings(
        port=raw["port"],
        region=raw["region"],
        jobs_dir=Path(raw["jobsDir"]),
        log_dir=Path(raw["logDir"]),
        postgres=Server(postgres["host"], postgres["port"], postgres["user"], ""),
        database=postgres["database"],
        valkey=Server(valkey["host"], valkey["port"], valkey["user"], Path(valkey["passwordFile"]).read_text().strip()),
        calls_file=Path(raw["callsFile"]) if raw.get("callsFile") else None,
    )
