"""A distributed map in JSONata reads its list, gives each item what its selector says, and answers by its output."""

import json

import pytest
from additions import maps


@pytest.fixture
def stepfunctions(monkeypatch):
    import ministack.services.s3 as s3
    import ministack.services.stepfunctions as stepfunctions

    monkeypatch.setattr(stepfunctions, "_run_distributed_map", stepfunctions._run_distributed_map)
    maps.install()
    keys = {"runs/1/files.json": json.dumps([{"key": "a"}, {"key": "b"}]).encode()}
    monkeypatch.setattr(s3, "_get_object", lambda bucket, key, *_: (200, {}, keys[key]) if key in keys else (404, {}, b""))
    return stepfunctions


def run(stepfunctions, **changes):
    state = {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Arguments": {"Bucket": "lake", "Key": "{% $publication.filesKey %}"},
        },
        "ItemSelector": {"run": "{% $run %}", "key": "{% $states.context.Map.Item.Value.key %}"},
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED"},
            "StartAt": "One",
            "States": {"One": {"Type": "Pass", "End": True}},
        },
        "Output": "{% $count($states.result) %}",
        "Assign": {"loaded": "{% $states.result.key %}"},
        "Next": "After",
        **changes,
    }
    context = {"QueryLanguage": "JSONata", "State": {"Name": "M"}, "variables": {"run": 7, "publication": {"filesKey": "runs/1/files.json"}}}
    execution = {
        "stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:m",
        "executionArn": "arn:aws:states:us-east-1:123456789012:execution:m:e",
    }
    return stepfunctions._execute_map(state, {}, execution, context), context["variables"]


def test_each_item_is_given_what_the_selector_says(stepfunctions):
    (output, following), variables = run(stepfunctions, Output="{% $states.result %}")
    assert output == [{"run": 7, "key": "a"}, {"run": 7, "key": "b"}]
    assert following == "After"
    assert variables["loaded"] == ["a", "b"]


def test_output_is_what_the_expression_says(stepfunctions):
    assert run(stepfunctions)[0] == (2, "After")


def test_a_list_that_is_not_there_fails_the_map(stepfunctions):
    reader = {"Resource": "arn:aws:states:::s3:getObject", "Arguments": {"Bucket": "lake", "Key": "{% 'no' & 'where' %}"}}
    with pytest.raises(stepfunctions._ExecutionError, match="nowhere"):
        run(stepfunctions, ItemReader=reader)


def test_an_item_that_fails_fails_the_map(stepfunctions):
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED"},
        "StartAt": "One",
        "States": {"One": {"Type": "Fail", "Error": "E", "Cause": "because"}},
    }
    with pytest.raises(stepfunctions._ExecutionError) as caught:
        run(stepfunctions, ItemProcessor=processor)
    assert caught.value.error == "States.ExceedToleratedFailureThreshold"
