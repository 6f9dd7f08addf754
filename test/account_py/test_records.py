"""Quotas, the registry's order and the cache users' rules."""

import pytest
from additions.cache import acl_rules
from additions.quotas import TARGET, Quotas, respond
from additions.sagemaker.registry import page
from additions.sagemaker.steps import in_milliseconds


def names(answer):
    return [quota["QuotaName"] for quota in answer["Quotas"]]


def test_a_machine_without_a_gpu_has_cpu_quotas_only():
    quotas = Quotas(0)
    assert quotas.of("ml.m5.xlarge", "training job usage") >= 1
    assert quotas.of("ml.g5.xlarge", "training job usage") == 0
    assert quotas.of("ml.p4d.24xlarge", "training job usage") == 0
    assert Quotas(1).of("ml.g6.xlarge", "transform job usage") == 1


def test_the_listing_comes_in_pages_and_is_whole():
    quotas, seen, token = Quotas(0), [], None
    while True:
        status, answer = respond(quotas, f"{TARGET}.ListServiceQuotas", {"ServiceCode": "sagemaker", "MaxResults": 7, **(token or {})})
        assert status == 200
        seen += names(answer)
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert len(seen) == len(set(seen)) == len(quotas.listing())
    assert "ml.g6.xlarge for spot training job usage" in seen


@pytest.mark.parametrize(
    ("target", "request_", "code"),
    [
        ("ListServiceQuotas", {"ServiceCode": "ec2"}, "NoSuchResourceException"),
        ("ListServiceQuotas", {"ServiceCode": "sagemaker", "NextToken": "x"}, "InvalidPaginationTokenException"),
        ("RequestServiceQuotaIncrease", {"ServiceCode": "sagemaker"}, "NoSuchResourceException"),
        ("GetAWSDefaultServiceQuota", {"ServiceCode": "sagemaker"}, "UnknownOperationException"),
    ],
)
def test_other_questions_are_refused_by_name(target, request_, code):
    status, answer = respond(Quotas(0), f"{TARGET}.{target}", request_)
    assert (status, answer["__type"]) == (400, code)


def test_lists_are_by_time_and_stable():
    found = [{"n": n, "CreationTime": moment} for n, moment in enumerate([1, 2, 2, 3])]

    def listed(**request):
        return [item["n"] for item in page(request, "Items", found, dict)["Items"]]

    assert listed() == [0, 1, 2, 3]
    assert listed(SortOrder="Descending") == [3, 2, 1, 0]
    assert page({"MaxResults": 2, "NextToken": "1"}, "Items", found, dict) == {
        "Items": found[1:3],
        "NextToken": "3",
    }


@pytest.mark.parametrize(
    ("props", "rules"),
    [
        (
            {"AccessString": "on ~r:* -@all +@read", "AuthenticationMode": {"Type": "iam"}},
            ["on", "~r:*", "-@all", "+@read", "nopass"],
        ),
        ({"AccessString": "on ~*", "Passwords": ["p", "q"]}, ["on", "~*", ">p", ">q"]),
        ({"AccessString": "off"}, ["off", "nopass"]),
        ({"AuthenticationMode": {"Type": "password", "Passwords": ["p"]}}, [">p"]),
    ],
)
def test_access_strings_become_the_same_rules(props, rules):
    assert acl_rules(props) == rules


def test_step_functions_gets_times_in_milliseconds_and_other_numbers_as_they_are():
    given = {"CreationTime": 1.5, "FinalMetricDataList": [{"Value": 0.25, "Timestamp": 2.0}], "TrainingEndTime": 3.0}
    assert in_milliseconds(given) == {
        "CreationTime": 1500,
        "FinalMetricDataList": [{"Value": 0.25, "Timestamp": 2000}],
        "TrainingEndTime": 3000,
    }
