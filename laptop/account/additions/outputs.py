"""Outputs of stacks, where MiniStack differs from CloudFormation.

A change of outputs alone is a change; and an export that another stack imports can be neither changed nor removed:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html
"""

from __future__ import annotations

import ministack.services.cloudformation.changesets as changesets
import ministack.services.cloudformation.stacks as stacks

from .internals import need

MODULE = "ministack.services.cloudformation"


class Changes(list):
    """Changes of resources; there may be none, and something changes all the same."""

    def __bool__(self) -> bool:
        return True


def install() -> None:
    _see_outputs()
    _keep_what_is_used()


def _see_outputs() -> None:
    resolve = need(f"{MODULE}.changesets", "_resolve_props_for_diff")
    diff = need(f"{MODULE}.changesets", "_diff_resources")

    def resolved_with_outputs(template, *arguments):
        resolved = resolve(template, *arguments)
        return {**resolved, "Outputs": template.get("Outputs", {})} if resolved else resolved

    def diff_with_outputs(old, new, *arguments):
        found = diff(old, new, *arguments)
        return Changes(found) if old and old.get("Outputs") != new.get("Outputs") else found

    changesets._resolve_props_for_diff = resolved_with_outputs
    changesets._diff_resources = diff_with_outputs


def _keep_what_is_used() -> None:
    resolve = need(f"{MODULE}.stacks", "_resolve_stack_outputs")

    def refuse_what_is_used(definitions, conditions, resources, parameters, mappings, name, stack_id):
        outputs, exports = resolve(definitions, conditions, resources, parameters, mappings, name, stack_id)
        for export, deployed in list(need(MODULE, "_exports").items()):
            if deployed["StackId"] != stack_id:
                continue
            kept = exports.get(export)
            if kept and kept["Value"] == deployed["Value"]:
                continue
            users = [user for user in _importers(export) if user != name]
            if users:
                verb = "updated" if kept else "deleted"
                raise ValueError(f"Export {export} cannot be {verb} as it is in use by {', '.join(users)}")
        return outputs, exports

    stacks._resolve_stack_outputs = refuse_what_is_used


def _importers(export: str) -> list[str]:
    imported = need(f"{MODULE}.handlers", "_imported_export_names")
    return sorted(
        name
        for name, stack in need(MODULE, "_stacks").items()
        if stack.get("StackStatus", "").endswith("_COMPLETE")
        and "DELETE" not in stack.get("StackStatus", "")
        and export in imported(stack, name)
    )
