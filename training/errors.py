"""Named errors of the training side. A message says what was expected, what was found, and what to do."""


class TrainingError(Exception):
    """Bad input to a training command; the command prints the message and exits with 2."""


class OutOfTime(TrainingError):
    """The time that a run was given is over. Nothing is lost: the same command goes on."""
