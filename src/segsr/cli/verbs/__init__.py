"""One file per verb: a docstring whose first line is its help, `add_arguments` and `run`.

`run` returns the exit status; what is heavy is imported within it.
"""
