"""The one exception type for what a user can cause."""


class UserError(Exception):
    """A problem in the config, the data or the machine that the user can fix.

    Its message is one line that names the file, key or cell and says what to do. A job shows it without a traceback;
    every other exception is a defect of the workflow and keeps its traceback.
    """
