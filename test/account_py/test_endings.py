"""An execution's output is what its Succeed state says in JSONata; in JSONPath, and without Output, it is the state's input."""

import json

import pytest
from additions import endings


@pytest.fixture
def stepfunctions(monkeypatch):
    import ministack.services.stepfunctions as stepfunctions

    monkeypatch.setattr(stepfunctions, "_apply_output_path", stepfunctions._apply_output_path)
    endings.install()
    return stepfunctions


def output(stepfunctions, monkeypatch, end, language="JSONata"):
    first = {"Type": "Pass", "Next": "End", **({"Assign": {"rules": "{% $states.input.rules %}"}} if language == "JSONata" else {})}
    machine = {"QueryLanguage": language, "StartAt": "First", "States": {"First": first, "End": {"Type": "Succeed", **end}}}
    execution = {
        **{"executionArn": "e", "stateMachineArn": "m", "name": "one", "status": "RUNNING", "events": []},
        **{"startDate": "2026-11-22T00:00:00Z", "input": json.dumps({"rules": ["a", "b"]})},
    }
    monkeypatch.setattr(stepfunctions, "_state_machines", {"m": {"name": "m", "definition": json.dumps(machine)}})
    monkeypatch.setattr(stepfunctions, "_executions", {"e": execution})
    stepfunctions._run_execution("e")
    assert execution["status"] == "SUCCEEDED"
    [left] = [event["stateExitedEventDetails"] for event in execution["events"] if event["type"] == "SucceedStateExited"]
    assert left == {"name": "End", "output": execution["output"]}
    return json.loads(execution["output"])


def test_it_is_what_the_state_says(stepfunctions, monkeypatch):
    end = {"Output": "{% {'outcome': 'rejected', 'rules': $rules} %}"}
    assert output(stepfunctions, monkeypatch, end) == {"outcome": "rejected", "rules": ["a", "b"]}


@pytest.mark.parametrize(
    ("end", "language"), [({}, "JSONata"), ({"OutputPath": "$"}, "JSONPath")]
)
def test_it_is_the_input_where_the_state_says_nothing(stepfunctions, monkeypatch, end, language):
    assert output(stepfunctions, monkeypatch, end, language) == {"rules": ["a", "b"]}
