"""The CloudFormation type AWS::SageMaker::ModelPackageGroup."""

from __future__ import annotations

from ..internals import need
from . import api
from .errors import ApiError
from .service import SageMaker

TYPE = "AWS::SageMaker::ModelPackageGroup"


def install(service: SageMaker) -> None:
    def attributes(name: str) -> dict:
        group = service.package_groups[name]
        return {
            "ModelPackageGroupArn": group["ModelPackageGroupArn"],
            "ModelPackageGroupStatus": group["ModelPackageGroupStatus"],
        }

    def perform(operation: str, request: dict) -> dict:
        try:
            return api.call(service, operation, request)
        except ApiError as error:
            raise ValueError(f"{TYPE}: {error.message}") from None

    def create(logical_id: str, props: dict, stack_name: str) -> tuple[str, dict]:
        arn = perform("CreateModelPackageGroup", props)["ModelPackageGroupArn"]
        return arn, attributes(props["ModelPackageGroupName"])

    def update(physical_id: str, old_props: dict, new_props: dict, stack_name: str) -> tuple[str, dict]:
        gone = {tag["Key"] for tag in old_props.get("Tags", [])} - {tag["Key"] for tag in new_props.get("Tags", [])}
        if gone:
            perform("DeleteTags", {"ResourceArn": physical_id, "TagKeys": sorted(gone)})
        if new_props.get("Tags"):
            perform("AddTags", {"ResourceArn": physical_id, "Tags": new_props["Tags"]})
        return physical_id, attributes(new_props["ModelPackageGroupName"])

    def delete(physical_id: str, props: dict) -> None:
        if props["ModelPackageGroupName"] in service.package_groups:
            perform("DeleteModelPackageGroup", {"ModelPackageGroupName": props["ModelPackageGroupName"]})

    provisioners = "ministack.services.cloudformation.provisioners"
    replacing = ("ModelPackageGroupName", "ModelPackageGroupDescription")
    need(provisioners, "_REPLACING_PROPERTIES").setdefault(TYPE, replacing)
    need(provisioners, "_RESOURCE_HANDLERS")[TYPE] = {"create": create, "update": update, "delete": delete}
