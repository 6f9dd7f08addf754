"""S3 of the account, for jobs: through the account's own endpoint, from the jobs' threads."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from ..settings import Settings
from .errors import JobFailure


def client(settings: Settings, service: str):
    """A botocore client of the account itself. Blocks, so never call it on MiniStack's event loop."""
    return botocore.session.get_session().create_client(
        service,
        region_name=settings.region,
        endpoint_url=settings.endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(
            proxies={},
            max_pool_connections=16,
            read_timeout=300,
            retries={"max_attempts": 2},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
        ),
    )


@dataclass(frozen=True)
class Location:
    """`s3://bucket/key`, the key being an object or a prefix."""

    bucket: str
    key: str

    @staticmethod
    def of(uri: str) -> Location:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return Location(bucket, key)

    def __truediv__(self, name: str) -> Location:
        return Location(self.bucket, f"{self.key.rstrip('/')}/{name}".lstrip("/"))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def relative_name(prefix: str, key: str) -> str:
    """Where an object of a prefix lies under a channel's folder.

    A whole folder loses its name; a prefix that ends inside a name, or is a name, keeps the last part:
    ("in/", "in/a/b") and ("in", "in/a/b") give a/b, ("in/part", "in/part-1") gives part-1.
    """
    rest = key[len(prefix) :]
    if not prefix or prefix.endswith("/"):
        return rest
    return rest.lstrip("/") if rest.startswith("/") else key[prefix.rfind("/") + 1 :]


class Storage:
    def __init__(self, settings: Settings) -> None:
        self._client = client(settings, "s3")

    def keys(self, at: Location) -> list[str]:
        """Keys under a prefix, in order, without folder markers."""
        try:
            return sorted(self._listed(at))
        except ClientError as error:
            raise JobFailure(f"ClientError: Data download failed: {error}") from None

    def _listed(self, at: Location) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=at.bucket, Prefix=at.key)
        for page in pages:
            for item in page.get("Contents", []):
                if not item["Key"].endswith("/"):
                    yield item["Key"]

    def exists(self, at: Location) -> bool:
        try:
            self._client.head_object(Bucket=at.bucket, Key=at.key)
        except ClientError:
            return False
        return True

    def download(self, at: Location, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            body = self._client.get_object(Bucket=at.bucket, Key=at.key)["Body"]
        except ClientError as error:
            raise JobFailure(f"ClientError: Data download failed: {at}: {error}") from None
        with file.open("wb") as out:
            for chunk in body.iter_chunks(1 << 20):
                out.write(chunk)

    def upload(self, file: Path, at: Location) -> None:
        try:
            with file.open("rb") as source:
                self._client.put_object(Bucket=at.bucket, Key=at.key, Body=source)
        except ClientError as error:
            raise JobFailure(f"ClientError: Failed to upload {at}: {error}") from None

    def upload_archive(self, folder: Path, at: Location, scratch: Path) -> None:
        """Packs what a folder holds, without the folder itself, and uploads it."""
        file = scratch / Path(at.key).name
        with tarfile.open(file, "w:gz", compresslevel=1) as archive:
            for entry in sorted(os.listdir(folder)):
                archive.add(folder / entry, arcname=entry)
        self.upload(file, at)
        file.unlink()

    def download_archive(self, at: Location, folder: Path, scratch: Path) -> None:
        file = scratch / "download.tar.gz"
        self.download(at, file)
        extract(file, folder)
        file.unlink()


def extract(file: Path, folder: Path) -> None:
    """Unpacks a tar.gz. Members that would land outside the folder are refused. Raises JobFailure."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(file, "r:gz") as archive:
            for member in archive.getmembers():
                target = (folder / member.name).resolve()
                if not target.is_relative_to(folder.resolve()) or not (member.isfile() or member.isdir()):
                    raise JobFailure(f"ClientError: {file.name} holds {member.name!r}, which is not a plain file inside")
            archive.extractall(folder)
    except tarfile.TarError as error:
        raise JobFailure(f"ClientError: {file.name} is not a tar.gz archive: {error}") from None
