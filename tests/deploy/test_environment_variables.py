"""No deployment to the emulator can ever reach a real AWS account."""

from local.deploy.environment_variables import machine_variables, terraform_variables

USERS = {
    "PATH": "/usr/bin",
    "HOME": "/home/somebody",
    "AWS_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIASOMEBODYS",
    "AWS_SECRET_ACCESS_KEY": "somebody's",
    "AWS_SESSION_TOKEN": "somebody's",
    "AWS_CA_BUNDLE": "/etc/bundle",
    "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token",
    "CATALOG_STATE_BUCKET": "a-teams-states",
    "CATALOG_ACCOUNT_ID": "999999999999",
    "ENVIRONMENT_SUFFIX": "pr-42",
    "TF_CLI_ARGS": "-destroy",
    "TF_WORKSPACE": "other",
    "TF_VAR_password": "somebody's",
    "TERRAFORM_BINARY_NAME": "/somewhere/terraform",
    "HTTPS_PROXY": "http://proxy.example.com",
    "PIP_CERT": "/etc/certificates",
}


def environment() -> dict[str, str]:
    return terraform_variables(
        machine_variables(USERS),
        endpoint_url="http://127.0.0.1:20000",
        architecture="x86_64",
        database_port=20_001,
        cache_port=20_002,
    )


def test_nothing_of_the_users_account_is_left() -> None:
    made = environment()
    assert not [value for value in made.values() if "somebody's" in value or "AKIA" in value]
    assert {name: value for name, value in made.items() if name.startswith("AWS_")} == {
        "AWS_ACCESS_KEY_ID": "deploy-local",
        "AWS_SECRET_ACCESS_KEY": "deploy-local",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:20000",
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def test_no_setting_of_another_deployment_is_left() -> None:
    made = environment()
    assert made.keys().isdisjoint(
        {"CATALOG_STATE_BUCKET", "ENVIRONMENT_SUFFIX", "TF_CLI_ARGS", "TF_WORKSPACE"}
    )
    assert made["CATALOG_ACCOUNT_ID"] == "123456789012"


def test_variables_about_the_machine_are_kept() -> None:
    made = environment()
    assert made["PATH"].endswith(":/usr/bin")
    for name in ("HOME", "TERRAFORM_BINARY_NAME", "HTTPS_PROXY", "PIP_CERT"):
        assert made[name] == USERS[name]
