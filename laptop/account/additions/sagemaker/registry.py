"""Models, and the model registry: groups, versioned packages and their approval."""

from __future__ import annotations

import time
from collections.abc import Callable

from .errors import ApiError, invalid, not_emulated
from .s3 import Location
from .service import SageMaker


def create_model(service: SageMaker, request: dict) -> dict:
    name = request["ModelName"]
    if request.get("Containers") or "PrimaryContainer" not in request:
        raise not_emulated("a model of several containers (Containers)")
    container = request["PrimaryContainer"]
    if "Image" not in container or "ModelDataUrl" not in container:
        raise not_emulated("PrimaryContainer without Image and ModelDataUrl")
    if not service.storage.exists(Location.of(container["ModelDataUrl"])):
        raise invalid(f"Could not find model data at {container['ModelDataUrl']}.")
    arn = service.arn(f"model/{name}")
    with service.lock:
        if name in service.models:
            raise invalid(f'Cannot create already existing model "{arn}".')
        service.models[name] = {**_without_tags(request), "ModelArn": arn, "CreationTime": time.time()}
    service.set_tags(arn, request.get("Tags"))
    return {"ModelArn": arn}


def describe_model(service: SageMaker, request: dict) -> dict:
    return _of(service.models, request["ModelName"], _no_model(service, request["ModelName"]))


def list_models(service: SageMaker, request: dict) -> dict:
    wanted = request.get("NameContains", "")
    found = [model for model in service.models.values() if wanted in model["ModelName"]]
    keys = ("ModelName", "ModelArn", "CreationTime")
    return page(request, "Models", found, lambda model: {key: model[key] for key in keys}, "Descending")


def delete_model(service: SageMaker, request: dict) -> dict:
    describe_model(service, request)
    model = service.models.pop(request["ModelName"])
    service.tags.pop(model["ModelArn"], None)
    return {}


def create_package_group(service: SageMaker, request: dict) -> dict:
    name = request["ModelPackageGroupName"]
    arn = service.arn(f"model-package-group/{name}")
    with service.lock:
        if name in service.package_groups:
            raise invalid(f"Model Package Group already exists: {arn}")
        service.package_groups[name] = {
            **_without_tags(request),
            "ModelPackageGroupArn": arn,
            "ModelPackageGroupStatus": "Completed",
            "CreationTime": time.time(),
            "CreatedBy": {},
        }
    service.set_tags(arn, request.get("Tags"))
    return {"ModelPackageGroupArn": arn}


def describe_package_group(service: SageMaker, request: dict) -> dict:
    name = group_name(request["ModelPackageGroupName"])
    return _of(service.package_groups, name, invalid(f"Model Package Group {name} does not exist."))


def list_package_groups(service: SageMaker, request: dict) -> dict:
    wanted = request.get("NameContains", "")
    found = [group for group in service.package_groups.values() if wanted in group["ModelPackageGroupName"]]
    keys = ("ModelPackageGroupName", "ModelPackageGroupArn", "CreationTime", "ModelPackageGroupStatus")
    return page(request, "ModelPackageGroupSummaryList", found, lambda group: {key: group[key] for key in keys})


def delete_package_group(service: SageMaker, request: dict) -> dict:
    group = describe_package_group(service, request)
    name = group["ModelPackageGroupName"]
    with service.lock:
        if any(package["ModelPackageGroupName"] == name for package in service.packages.values()):
            raise ApiError("ConflictException", f"Model Package Group {name} cannot be deleted: it has model packages.")
        del service.package_groups[name]
    service.tags.pop(group["ModelPackageGroupArn"], None)
    return {}


def create_package(service: SageMaker, request: dict) -> dict:
    if "ModelPackageGroupName" not in request:
        raise not_emulated("a model package without ModelPackageGroupName")
    if request.get("Tags"):
        raise invalid("Tags are not allowed on a versioned model package: tag its group")
    name = describe_package_group(service, request)["ModelPackageGroupName"]
    for container in request.get("InferenceSpecification", {}).get("Containers", []):
        url = container.get("ModelDataUrl")
        if url and not service.storage.exists(Location.of(url)):
            raise invalid(f"Could not find model data at {url}.")
    with service.lock:
        versions = [each["ModelPackageVersion"] for each in service.packages.values() if each["ModelPackageGroupName"] == name]
        group = service.package_groups[name]
        version = max([group.get("_last", 0), *versions]) + 1
        group["_last"] = version  # a deleted version's number is not used again
        arn = service.arn(f"model-package/{name}/{version}")
        service.packages[arn] = {
            "ModelApprovalStatus": "PendingManualApproval",
            **request,
            "ModelPackageGroupName": name,
            "ModelPackageArn": arn,
            "ModelPackageVersion": version,
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "CreationTime": time.time(),
        }
    return {"ModelPackageArn": arn}


def describe_package(service: SageMaker, request: dict) -> dict:
    arn = request["ModelPackageName"]
    return _of(service.packages, arn, invalid(f"ModelPackage {arn} does not exist."))


UPDATABLE = ("ModelApprovalStatus", "ApprovalDescription", "CustomerMetadataProperties", "SourceUri", "ModelLifeCycle")


def update_package(service: SageMaker, request: dict) -> dict:
    arn = request["ModelPackageArn"]
    package = _of(service.packages, arn, invalid(f"ModelPackage {arn} does not exist."), copy=False)
    refused = sorted(set(request) - {"ModelPackageArn", "CustomerMetadataPropertiesToRemove", *UPDATABLE})
    if refused:
        raise not_emulated(f"UpdateModelPackage.{refused[0]}")
    with service.lock:
        properties = {
            **package.get("CustomerMetadataProperties", {}),
            **request.get("CustomerMetadataProperties", {}),
        }
        for name in request.get("CustomerMetadataPropertiesToRemove", []):
            properties.pop(name, None)
        package.update({key: request[key] for key in UPDATABLE if key in request}, LastModifiedTime=time.time())
        if properties or "CustomerMetadataProperties" in package:
            package["CustomerMetadataProperties"] = properties
    return {"ModelPackageArn": arn}


def delete_package(service: SageMaker, request: dict) -> dict:
    describe_package(service, request)
    service.packages.pop(request["ModelPackageName"])
    return {}


SUMMARY = (
    "ModelPackageArn",
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageDescription",
    "ModelPackageStatus",
    "ModelApprovalStatus",
    "CreationTime",
)


def list_packages(service: SageMaker, request: dict) -> dict:
    wanted = request.get("ModelPackageGroupName")
    name = describe_package_group(service, request)["ModelPackageGroupName"] if wanted else None
    status = request.get("ModelApprovalStatus")
    found = [
        package
        for package in service.packages.values()
        if name in (None, package["ModelPackageGroupName"]) and status in (None, package["ModelApprovalStatus"])
    ]

    def summary(package: dict) -> dict:
        return {key: package[key] for key in SUMMARY if key in package}

    return page(request, "ModelPackageSummaryList", found, summary, "Descending")


def page(
    request: dict, key: str, found: list[dict], summary: Callable[[dict], dict], default_order: str = "Ascending"
) -> dict:
    """One page of a list, by time of creation."""
    backwards = request.get("SortOrder", default_order) == "Descending"
    # Stable: two of one moment keep the order in which they came, or its reverse.
    ordered = sorted(reversed(found) if backwards else found, key=lambda item: item["CreationTime"], reverse=backwards)
    try:
        start = int(request.get("NextToken") or 0)
    except ValueError:
        raise invalid("Invalid NextToken") from None
    end = start + request.get("MaxResults", 100)
    more = {"NextToken": str(end)} if end < len(ordered) else {}
    return {key: [summary(item) for item in ordered[start:end]], **more}


def group_name(name_or_arn: str) -> str:
    return name_or_arn.rpartition("model-package-group/")[2]


def _of(records: dict[str, dict], key: str, missing: ApiError, *, copy: bool = True) -> dict:
    record = records.get(key)
    if record is None:
        raise missing
    return {name: value for name, value in record.items() if not name.startswith("_")} if copy else record


def _no_model(service: SageMaker, name: str) -> ApiError:
    return invalid(f'Could not find model "{service.arn(f"model/{name}")}".')


def _without_tags(request: dict) -> dict:
    return {key: value for key, value in request.items() if key != "Tags"}
