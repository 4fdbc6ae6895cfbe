"""The project's own errors: one line (what, where, what to do), and exit code 2 for what a user can mend, 3 for a process that died or hangs."""


class UserError(Exception):
    """Something the user can mend; its text is the one line that is shown, `code` what the process ends with."""

    code = 2


class ConfigError(UserError):
    """A configuration key, value or combination that cannot be used."""


class DataError(UserError):
    """An annotation file, picture or MindRecord folder that cannot be used."""


class WorkerError(DataError):
    """A data worker died or hangs, at these rows of the shards: nothing is wrong with the settings, and resume=auto goes on."""

    code = 3

    def __init__(self, line, rows=()):
        super().__init__(line)
        self.rows = list(rows)


class CheckpointError(UserError):
    """A weights file that cannot be read, or that does not fit the network."""


class TrainingError(UserError):
    """Training cannot go on (a loss that is not finite); raised with the step and the pictures."""


class RankError(UserError):
    """Another rank of the job failed, died or hangs; `code` is the code it ended with, 3 if it had none to give."""

    def __init__(self, line, code=3):
        super().__init__(line)
        self.code = code
