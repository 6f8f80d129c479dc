"""Resources that a destroy leaves behind are named."""

from local.deploy.leftovers import find_leftovers


def test_nothing() -> None:
    assert find_leftovers({"ec2 Vpcs": ["vpc-default"]}, {"ec2 Vpcs": ["vpc-default"]}) == []


def test_new_and_missing_resources_are_named() -> None:
    before = {"ec2 Vpcs": ["vpc-default"], "s3 Buckets": ["somebodys"]}
    after = {"ec2 Vpcs": ["vpc-2", "vpc-default"], "secretsmanager SecretList": ["login"]}
    assert find_leftovers(before, after) == [
        "ec2 Vpcs: vpc-2 is left over",
        "s3 Buckets: somebodys is gone, though we did not create it",
        "secretsmanager SecretList: login is left over",
    ]
