"""The output of an execution that a Succeed state says in JSONata, which MiniStack leaves out.

https://docs.aws.amazon.com/step-functions/latest/dg/state-succeed.html
"""

from __future__ import annotations

import ministack.services.stepfunctions as stepfunctions

from .internals import need

SFN = "ministack.services.stepfunctions"


def install() -> None:
    by_path, language, output = (
        need(SFN, name) for name in ("_apply_output_path", "_state_query_language", "_apply_jsonata_output")
    )

    def said_by_the_state(state: dict, data, context=None):
        if state.get("Type") == "Succeed" and language(state, context) == "JSONata":
            return output(state, data, context, default=data)
        return by_path(state, data, context)

    stepfunctions._apply_output_path = said_by_the_state
