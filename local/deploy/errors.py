"""The errors of a deployment on this machine."""


class DeployError(Exception):
    """What was deployed, or left behind, is not as expected; the message says what."""


class PrerequisiteError(Exception):
    """The machine lacks a prerequisite; the message says what to do."""
