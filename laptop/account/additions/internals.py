"""The names inside MiniStack that the additions rest on.

They are not MiniStack's public interface, so its version is pinned, and a name that is gone ends the start with one line
instead of a traceback somewhere later.
"""

from __future__ import annotations

import importlib
import operator
from importlib import metadata
from typing import Any

NEEDED: dict[str, tuple[str, ...]] = {
    "ministack.app": ("SERVICE_HANDLERS", "app"),
    "ministack.core.iam_actions": ("extract_iam_action", "extract_resource_arn"),
    "ministack.core.lambda_runtime": ("Worker._drain_stderr_bounded", "execution_credentials", "reset"),
    "ministack.core.router": ("SERVICE_PATTERNS", "extract_access_key_id"),
    "ministack.services.budgets": ("_create_budget", "_delete_budget", "_update_budget"),
    "ministack.services.cloudformation": ("_exports", "_stacks"),
    "ministack.services.cloudformation.changesets": ("_diff_resources", "_resolve_props_for_diff"),
    "ministack.services.cloudformation.handlers": ("_imported_export_names",),
    "ministack.services.cloudformation.provisioners": (
        "_RESOURCE_HANDLERS",
        "_REPLACING_PROPERTIES",
        "_cw_metric_alarm_record",
        "_ec_call",
        "_ec_query",
        "_ec_sync_tags",
        "_ec2_sg_permissions",
    ),
    "ministack.services.cloudformation.stacks": ("_resolve_stack_outputs", "_runs_on_worker_thread"),
    "ministack.services.ec2": ("_security_groups",),
    "ministack.services.elasticache": (
        "_create_serverless_cache",
        "_delete_serverless_cache",
        "_modify_serverless_cache",
        "_serverless_caches",
        "_users",
    ),
    "ministack.services.glue": ("_create_security_configuration", "_delete_security_configuration"),
    "ministack.services.iam": ("_IAM_HANDLERS", "_error", "_p", "_roles"),
    "ministack.services.kinesis": ("_streams",),
    "ministack.services.lambda_svc": (
        "_esm_backoff_until",
        "_esms",
        "_kinesis_positions",
        "_poll_kinesis",
        "acquire_worker",
        "release_worker",
    ),
    "ministack.services.rds": ("_clusters", "_instances"),
    "ministack.services.stepfunctions": (
        "_AWS_SDK_ERROR_CODE_OVERRIDES",
        "_AWS_SDK_ERROR_PREFIX",
        "_AWS_SDK_SERVICE_MAP",
        "_ExecutionError",
        "_SERVICE_DISPATCH",
        "_apply_jsonata_output",
        "_apply_jsonata_template",
        "_apply_output_path",
        "_apply_state_assign",
        "_invoke_resource",
        "_read_map_items",
        "_run_distributed_map",
        "_state_query_language",
    ),
    "ministack.services.waf": ("_associate_web_acl", "_disassociate_web_acl"),
}


class MissingInternal(Exception):
    """MiniStack has no longer what an addition rests on."""


def need(module: str, name: str) -> Any:
    """The object `name` of a MiniStack module. Raises MissingInternal, naming it, when it is gone."""
    if name not in NEEDED.get(module, ()):
        raise MissingInternal(f"{module}.{name} is used but not listed in internals.NEEDED")
    try:
        return operator.attrgetter(name)(importlib.import_module(module))
    except (ImportError, AttributeError):
        raise MissingInternal(
            f"ministack {_version()} has no {module}.{name}: install the version that the requirements pin"
        ) from None


def check() -> None:
    """Looks every needed name up. Raises MissingInternal for the first that is gone."""
    for module, names in NEEDED.items():
        for name in names:
            need(module, name)


def _version() -> str:
    try:
        return metadata.version("ministack")
    except metadata.PackageNotFoundError:
        return "(not installed)"
