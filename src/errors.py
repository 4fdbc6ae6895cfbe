"""The project's own errors: what a user can mend is one line (what, where, what to do) and exit code 2."""
import sys


class UserError(Exception):
    """Something the user can mend; its text is the one line that is shown."""


class ConfigError(UserError):
    """A configuration key, value or combination that cannot be used."""


class DataError(UserError):
    """An annotation file, picture or MindRecord folder that cannot be used."""


class CheckpointError(UserError):
    """A weights file that cannot be read, or that does not fit the network."""


class TrainingError(UserError):
    """Training cannot go on (a loss that is not finite); raised with the step and the pictures."""


def run_main(main):
    """Run an entry point's `main()`; a UserError ends the process with its line on stderr and exit code 2."""
    try:
        sys.exit(main())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(2)
