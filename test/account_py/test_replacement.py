"""What makes CloudFormation replace a resource is read from AWS's schemas, and MiniStack's own list stays as it is."""

from additions import replacement


def test_the_schemas_name_what_cannot_change():
    schemas = replacement.Schemas()
    assert "CidrBlock" in schemas.create_only("AWS::EC2::VPC")
    assert schemas.create_only("AWS::Kinesis::Stream") == ("Name",)


def test_what_is_nested_is_left_to_the_handler():
    assert schemas_of("AWS::Budgets::Budget") == ("NotificationsWithSubscribers",)


def test_a_type_that_aws_does_not_list_is_left_alone():
    assert schemas_of("Custom::SegueHook") is None


def schemas_of(kind):
    return replacement.Schemas().create_only(kind)
