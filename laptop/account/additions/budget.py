"""AWS::Budgets::Budget, on MiniStack's own Budgets API: it keeps what it is told and never writes to anybody."""

from __future__ import annotations

import json
import uuid

from .internals import need

TYPE = "AWS::Budgets::Budget"
#: A limit or a type may change; for these the budget is made anew. The name, too, but it is nested.
REPLACING = ("NotificationsWithSubscribers",)


def install() -> None:
    provisioners = "ministack.services.cloudformation.provisioners"
    need(provisioners, "_RESOURCE_HANDLERS").setdefault(TYPE, {"create": _create, "update": _update, "delete": _delete})
    need(provisioners, "_REPLACING_PROPERTIES").setdefault(TYPE, REPLACING)


def _call(verb: str, request: dict) -> None:
    status, _headers, body = need("ministack.services.budgets", f"_{verb}_budget")(request)
    if status >= 400:
        raise ValueError(f"{TYPE}: {json.loads(body)['message']}")


def _of(props: dict, logical_id: str) -> dict:
    """The budget as the API takes it: amounts are texts there, and a name is required."""
    budget = dict(props["Budget"])
    limit = budget.get("BudgetLimit")
    if limit:
        budget["BudgetLimit"] = {**limit, "Amount": str(limit["Amount"])}
    return {"BudgetName": f"{logical_id}-{uuid.uuid4().hex[:8]}", **budget}


def _create(logical_id: str, props: dict, stack_name: str) -> tuple[str, dict]:
    budget = _of(props, logical_id)
    notifications = props.get("NotificationsWithSubscribers", [])
    _call("create", {"Budget": budget, "NotificationsWithSubscribers": notifications})
    return budget["BudgetName"], {"Id": budget["BudgetName"]}


def _update(physical_id: str, old_props: dict, new_props: dict, stack_name: str) -> tuple[str, dict]:
    _call("update", {"NewBudget": {**_of(new_props, physical_id), "BudgetName": physical_id}})
    return physical_id, {"Id": physical_id}


def _delete(physical_id: str, props: dict) -> None:
    _call("delete", {"BudgetName": physical_id})
