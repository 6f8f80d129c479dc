"""How a deployment on this machine ends when it does not end well."""


class DeployError(Exception):
    """Something was deployed, or is left behind, other than it must be; the message says what."""


class PrerequisiteError(Exception):
    """This machine lacks what the deployment needs; the message says what to do."""
