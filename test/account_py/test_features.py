"""The Feature Store's runtime: the latest record of each identifier, by event time."""

import pytest
from additions.sagemaker.errors import ApiError
from additions.sagemaker.features import FeatureStore, request_of

GROUP = {
    "FeatureGroupName": "segue-dev-listeners-01234567",
    "RecordIdentifierFeatureName": "listener_id",
    "EventTimeFeatureName": "as_of",
    "FeatureDefinitions": [
        {"FeatureName": "listener_id", "FeatureType": "String"},
        {"FeatureName": "as_of", "FeatureType": "String"},
        {"FeatureName": "plays", "FeatureType": "Integral"},
    ],
    "OnlineStoreConfig": {"EnableOnlineStore": True},
}
NAME = GROUP["FeatureGroupName"]


@pytest.fixture
def store():
    made = FeatureStore()
    made.create(GROUP)
    return made


def put(store, moment, **features):
    record = {"listener_id": "anna", "as_of": moment, **features}
    values = [{"FeatureName": name, "ValueAsString": value} for name, value in record.items()]
    store.perform("PutRecord", {"FeatureGroupName": NAME, "Record": values})


def get(store):
    answer = store.perform("GetRecord", {"FeatureGroupName": NAME, "RecordIdentifierValueAsString": "anna"})
    return {one["FeatureName"]: one["ValueAsString"] for one in answer.get("Record", [])}


def delete(store, moment):
    query = {"RecordIdentifierValueAsString": ["anna"], "EventTime": [moment], "DeletionMode": ["HardDelete"], "TargetStores": ["OnlineStore"]}
    store.perform("DeleteRecord", request_of("DeleteRecord", NAME, b"", query))


def test_the_latest_moment_counts_and_a_repeat_replaces_itself(store):
    put(store, "2026-11-22T10:00:00.000Z", plays="2")
    put(store, "2026-11-22T10:00:00Z", plays="3")
    put(store, "2026-11-21T10:00:00Z", plays="1")
    assert get(store) == {"listener_id": "anna", "as_of": "2026-11-22T10:00:00Z", "plays": "3"}


def test_a_deletion_has_to_be_later_than_the_record(store):
    put(store, "2026-11-22T10:00:00Z")
    with pytest.raises(ApiError, match="later"):
        delete(store, "2026-11-22T10:00:00.000Z")
    delete(store, "2026-11-22T10:00:01Z")
    assert get(store) == {}


@pytest.mark.parametrize(
    ("features", "message"),
    [({"plays": "many"}, "plays is not Integral"), ({"skips": "1"}, "skips is not in"), ({"as_of": "yesterday"}, "ISO 8601")],
)
def test_a_record_that_does_not_fit_is_refused(store, features, message):
    put(store, "2026-11-22T10:00:00Z")
    with pytest.raises(ApiError, match=message):
        put(store, **{"moment": "2026-11-22T10:00:00Z", **({} if "as_of" not in features else {"moment": features.pop("as_of")}), **features})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"OnlineStoreConfig": {}}, "At least one"),
        ({"EventTimeFeatureName": "time"}, "time is not in"),
        ({"OfflineStoreConfig": {"S3StorageConfig": {"S3Uri": "s3://b/p"}}}, "RoleArn"),
        ({"OfflineStoreConfig": {}}, "S3StorageConfig"),
    ],
)
def test_a_group_that_aws_would_refuse_is_refused(change, message):
    with pytest.raises(ApiError, match=message):
        FeatureStore().create({**GROUP, **change})


def test_two_groups_of_one_name_and_an_unknown_one_are_refused(store):
    with pytest.raises(ApiError, match="already exists"):
        store.create(GROUP)
    store.delete(NAME)
    with pytest.raises(ApiError, match="does not exist"):
        get(store)
