"""Named errors of the training side. A message says what was expected, what was found, and what to do."""


class TrainingError(Exception):
    """Bad input to a training command; the command prints the message and exits with 2."""
