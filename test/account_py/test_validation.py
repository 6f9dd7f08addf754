"""Requests are refused as SageMaker refuses them, by its own model."""

import copy

import pytest
from additions.sagemaker.errors import ApiError
from additions.sagemaker.validation import validate

GOOD = {
    "TrainingJobName": "20261122t035200-1a2b3c4d-train",
    "RoleArn": "arn:aws:iam::123456789012:role/jobs",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/runs"},
    "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
}


def refused(change, operation="CreateTrainingJob"):
    request = copy.deepcopy(GOOD)
    change(request)
    with pytest.raises(ApiError) as caught:
        validate(operation, request)
    assert caught.value.code == "ValidationException"
    return caught.value.message


def test_a_good_request_passes():
    validate("CreateTrainingJob", GOOD)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.pop("RoleArn"), 'Missing required parameter in input: "RoleArn"'),
        (lambda r: r.update(Spot=True), 'Unknown parameter in input: "Spot"'),
        (lambda r: r.update(TrainingJobName="under_score"), "'under_score' at 'trainingJobName'.*regular expression"),
        (lambda r: r.update(TrainingJobName="a" * 64), "'trainingJobName'.*length less than or equal to 63"),
        (
            lambda r: r["ResourceConfig"].update(InstanceType="ml.zz"),
            "'ml.zz' at 'resourceConfig.instanceType'.*enum value set",
        ),
        (lambda r: r["ResourceConfig"].update(InstanceCount=-1), "InstanceCount"),
        (lambda r: r["ResourceConfig"].update(VolumeSizeInGB="30"), "Invalid type for parameter ResourceConfig.VolumeSize"),
        (lambda r: r["OutputDataConfig"].update(S3OutputPath="bucket/runs"), "'outputDataConfig.s3OutputPath'.*regular"),
        (lambda r: r.update(HyperParameters={"x": "y" * 3000}), "'hyperParameters.x.value'.*length less than"),
    ],
)
def test_names_what_is_wrong(change, words):
    import re

    message = refused(change)
    assert re.search(words, message), message
    assert "\n" not in message


def test_tells_all_that_is_wrong_at_once():
    message = refused(lambda r: (r.update(TrainingJobName="_"), r["ResourceConfig"].update(InstanceType="ml.zz")))
    assert message.startswith("2 validation errors detected")
