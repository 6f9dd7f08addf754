"""The Feature Store: the CloudFormation type AWS::SageMaker::FeatureGroup, and its runtime's PutRecord, GetRecord and DeleteRecord.

The online store is in memory. Of the offline store, which AWS writes as files in its own time, there is nothing here.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from datetime import datetime
from functools import lru_cache
from urllib.parse import unquote

import botocore.session
from botocore.validate import ParamValidator

from ..internals import need
from .errors import ApiError, invalid
from .service import SageMaker
from .validation import validate

TYPE = "AWS::SageMaker::FeatureGroup"
PATH = re.compile(r"^/FeatureGroup/([^/]+)$")
METHODS = {"PUT": "PutRecord", "GET": "GetRecord", "DELETE": "DeleteRecord"}
PARSERS = {"Integral": int, "Fractional": float, "String": str}


@lru_cache(maxsize=1)
def _runtime():
    return botocore.session.get_session().get_service_model("sagemaker-featurestore-runtime")


class FeatureStore:
    """Groups by name, and each one's latest record by its identifier."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.groups: dict[str, dict] = {}
        self.records: dict[str, dict[str, dict[str, str]]] = {}

    def create(self, request: dict) -> None:
        validate("CreateFeatureGroup", request)
        name = request["FeatureGroupName"]
        features = {one["FeatureName"] for one in request["FeatureDefinitions"]}
        if not request.get("OnlineStoreConfig", {}).get("EnableOnlineStore") and "OfflineStoreConfig" not in request:
            raise invalid("At least one of OnlineStoreConfig and OfflineStoreConfig is needed")
        if "OfflineStoreConfig" in request and "RoleArn" not in request:
            raise invalid("RoleArn is needed with OfflineStoreConfig")
        for key in ("RecordIdentifierFeatureName", "EventTimeFeatureName"):
            if request[key] not in features:
                raise invalid(f"{key} {request[key]} is not in FeatureDefinitions")
        with self.lock:
            if name in self.groups:
                raise ApiError("ResourceInUse", f"Resource Already Exists: FeatureGroup with name {name} already exists.")
            self.groups[name] = request
            self.records[name] = {}

    def delete(self, name: str) -> None:
        with self.lock:
            self.groups.pop(name, None)
            self.records.pop(name, None)

    def perform(self, operation: str, request: dict) -> dict:
        """One call of the runtime. Raises ApiError."""
        report = ParamValidator().validate(request, _runtime().operation_model(operation).input_shape)
        if report.has_errors():
            raise ApiError("ValidationError", " ".join(report.generate_report().split()))
        group = self.groups.get(request["FeatureGroupName"])
        if group is None:
            raise ApiError("ResourceNotFound", f"Feature Group {request['FeatureGroupName']} does not exist", 404)
        with self.lock:
            return getattr(self, f"_{operation}")(group, request)

    def _PutRecord(self, group: dict, request: dict) -> dict:
        record = {one["FeatureName"]: one["ValueAsString"] for one in request["Record"]}
        types = {one["FeatureName"]: one["FeatureType"] for one in group["FeatureDefinitions"]}
        for name, value in record.items():
            if name not in types:
                raise ApiError("ValidationError", f"Feature {name} is not in the feature group's definitions")
            try:
                PARSERS[types[name]](value)
            except ValueError:
                raise ApiError("ValidationError", f"Feature {name} is not {types[name]}") from None
        identifier, moment = (record.get(group[key]) for key in ("RecordIdentifierFeatureName", "EventTimeFeatureName"))
        if identifier is None or moment is None:
            raise ApiError("ValidationError", "The record lacks its identifier or its event time")
        kept = self._online(group).get(identifier)
        if kept is None or _time(kept[group["EventTimeFeatureName"]]) <= _time(moment):
            self._online(group)[identifier] = record
        return {}

    def _GetRecord(self, group: dict, request: dict) -> dict:
        record = self._online(group).get(request["RecordIdentifierValueAsString"])
        return {"Record": [{"FeatureName": name, "ValueAsString": value} for name, value in record.items()]} if record else {}

    def _DeleteRecord(self, group: dict, request: dict) -> dict:
        kept = self._online(group).get(request["RecordIdentifierValueAsString"])
        if kept is None:
            return {}
        if _time(request["EventTime"]) <= _time(kept[group["EventTimeFeatureName"]]):
            raise ApiError("ValidationError", "EventTime must be later than the record's")
        del self._online(group)[request["RecordIdentifierValueAsString"]]
        return {}

    def _online(self, group: dict) -> dict[str, dict[str, str]]:
        if not group.get("OnlineStoreConfig", {}).get("EnableOnlineStore"):
            return {}
        return self.records[group["FeatureGroupName"]]


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ApiError("ValidationError", "EventTime is not ISO 8601") from None


def request_of(operation: str, name: str, body: bytes, query: dict) -> dict:
    """A call's members, of which the runtime has the name in the path and the others in the body or the query."""
    members = json.loads(body or b"{}") if operation == "PutRecord" else {}
    for key, shape in _runtime().operation_model(operation).input_shape.members.items():
        where = shape.serialization
        if where.get("location") == "querystring" and where["name"] in query:
            values = query[where["name"]]
            members[key] = values if shape.type_name == "list" else values[0]
    return {**members, "FeatureGroupName": name}


def install(service: SageMaker) -> FeatureStore:
    """After the API, whose handler it takes the runtime's paths from."""
    store = FeatureStore()
    handlers = need("ministack.app", "SERVICE_HANDLERS")
    others = handlers["sagemaker"]

    async def handle(method: str, path: str, headers: dict, body: bytes, query: dict) -> tuple:
        found = PATH.match(unquote(path))
        if found is None or method not in METHODS:
            return await others(method, path, headers, body, query)
        operation = METHODS[method]
        try:
            answer = await asyncio.to_thread(store.perform, operation, request_of(operation, found[1], body, query))
        except ApiError as error:
            headers = {"Content-Type": "application/json", "x-amzn-errortype": error.code}
            return error.status, headers, json.dumps({"Message": error.message}).encode()
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()

    handlers["sagemaker"] = handle

    def create(logical_id: str, props: dict, stack_name: str) -> tuple[str, dict]:
        try:
            store.create(props)
        except ApiError as error:
            raise ValueError(f"{TYPE}: {error.message}") from None
        return props["FeatureGroupName"], {"FeatureGroupStatus": "Created"}

    def update(physical_id: str, old_props: dict, new_props: dict, stack_name: str) -> tuple[str, dict]:
        if physical_id not in store.groups:
            raise ValueError(f"{TYPE}: {physical_id} does not exist")
        store.groups[physical_id] = new_props
        return physical_id, {"FeatureGroupStatus": "Created"}

    def delete(physical_id: str, props: dict) -> None:
        store.delete(physical_id)

    need("ministack.services.cloudformation.provisioners", "_RESOURCE_HANDLERS")[TYPE] = {
        "create": create,
        "update": update,
        "delete": delete,
    }
    return store
