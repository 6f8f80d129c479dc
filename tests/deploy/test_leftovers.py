"""What a destroy leaves behind is named."""

from local.deploy.leftovers import find_leftovers


def test_nothing() -> None:
    assert find_leftovers({"ec2 Vpcs": ["vpc-default"]}, {"ec2 Vpcs": ["vpc-default"]}) == []


def test_what_is_left_and_what_is_gone_are_named() -> None:
    before = {"ec2 Vpcs": ["vpc-default"], "s3 Buckets": ["somebodys"]}
    after = {"ec2 Vpcs": ["vpc-2", "vpc-default"], "secretsmanager SecretList": ["login"]}
    assert find_leftovers(before, after) == [
        "ec2 Vpcs: vpc-2 is left over",
        "s3 Buckets: somebodys is gone, though we did not create it",
        "secretsmanager SecretList: login is left over",
    ]
