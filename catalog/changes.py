"""Commands that change something: a dry run, until `--yes` or a confirmation typed on the terminal."""

from catalog.console import Output
from catalog.errors import UsageError


def is_confirmed(output: Output, *, yes: bool, what: str, word: str) -> bool:
    """Return whether to go on with a change of which count and sample have been shown.

    Asks a person to type `word`, such as the environment's name. Without a terminal only `--yes` confirms.
    """
    if yes:
        return True
    if not output.is_interactive or output.as_json:
        output.say(f"Dry run: nothing was changed. To {what}, give --yes.")
        return False
    if output.ask(f"Type {word} to {what}: ").strip() == word:
        return True
    output.say("Nothing was changed.")
    return False


def require_reason(reason: str | None, *, yes: bool) -> str:
    """Return why a change is made. Raises: UsageError if `--yes` comes without `--reason`."""
    if yes and not reason:
        raise UsageError("--yes needs --reason: a few words that `catalog history` will show")
    return reason or ""
