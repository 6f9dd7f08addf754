"""JSONata in a distributed map, of which MiniStack reads paths alone: the reader's arguments, what each item is given, output and variables.

https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
"""

from __future__ import annotations

import copy

import ministack.services.stepfunctions as stepfunctions

from .internals import need

SFN = "ministack.services.stepfunctions"
#: What is evaluated here, and not left to MiniStack.
OWN = ("ItemReader", "ItemSelector", "Items", "Output", "Assign")


def install() -> None:
    run, read, language, template, output, assign = (
        need(SFN, name)
        for name in (
            "_run_distributed_map",
            "_read_map_items",
            "_state_query_language",
            "_apply_jsonata_template",
            "_apply_jsonata_output",
            "_apply_state_assign",
        )
    )

    def run_in_jsonata(state: dict, given, effective, iterator: dict, execution: dict, context: dict):
        if language(state, context) != "JSONata":
            return run(state, given, effective, iterator, execution, context)
        reader = state.get("ItemReader")
        if reader:
            arguments = template(reader.get("Arguments", {}), given, context)
            items = read({**reader, "Arguments": arguments}, given, context)
        else:
            items = template(state.get("Items", given), given, context)
        selector = state.get("ItemSelector")
        if selector:
            items = [
                template(selector, given, {**copy.deepcopy(context), "Map": {"Item": {"Index": i, "Value": item}}})
                for i, item in enumerate(items)
            ]
        plain = {field: value for field, value in state.items() if field not in OWN}
        results, following = run(plain, items, items, iterator, execution, context)
        # In this order, as for every other state.
        shown = output(state, given, context, result=results, default=results)
        assign(state, given, context, result=results)
        return shown, following

    stepfunctions._run_distributed_map = run_in_jsonata
