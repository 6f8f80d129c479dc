"""Terraform's progress and changes are read from its output as cdktf prints it."""

from local.deploy.cdktf import Changes, ProgressReader

_OUTPUT = """
dev-stack  Initializing the backend...
dev-stack  # aws_db_instance.Database_Instance_02E622FB (Database/Instance) will be created
           Plan: 3 to add, 0 to change, 1 to destroy.
dev-stack  aws_sns_topic.Alarms_Topic (Alarms/Topic): Creating...
dev-stack  aws_sns_topic.Alarms_Topic (Alarms/Topic): Creation complete after 0s [id=arn:aws:sns]
           aws_s3_bucket.Archive_Bucket (Archive/Bucket): Still creating... [10s elapsed]
           aws_s3_bucket.Archive_Bucket (Archive/Bucket): Destruction complete after 11s
"""


def read(output: str) -> tuple[ProgressReader, list[tuple[int, int | None]]]:
    progress: list[tuple[int, int | None]] = []
    reader = ProgressReader(lambda done, planned: progress.append((done, planned)))
    for line in output.splitlines():
        reader.read(line)
    return reader, progress


def test_progress() -> None:
    reader, progress = read(_OUTPUT)
    assert progress == [(0, 4), (1, 4), (2, 4)]
    assert reader.changes is None


def test_what_a_deploy_did() -> None:
    reader, _ = read("dev-stack  Apply complete! Resources: 104 added, 0 changed, 2 destroyed.")
    assert reader.changes == Changes(added=104, destroyed=2)


def test_what_a_destroy_did() -> None:
    reader, _ = read("dev-stack  Destroy complete! Resources: 104 destroyed.")
    assert reader.changes == Changes(added=0, destroyed=104)
