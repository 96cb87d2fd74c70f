"""The one error that is meant for the user's eyes."""

from __future__ import annotations


class SegSRError(Exception):
    """Something the user can put right; the command line shows it as one line, without a traceback.

    The message gives the value, the rule and the remedy:
    "LQ size must be a multiple of 8, got 50x64: pad to 56x64".
    """
