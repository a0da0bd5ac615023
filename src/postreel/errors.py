"""Every exception that Postreel raises on purpose.

    PostreelError
    ├── ConsentError      a use of a member's data had no live basis; nothing was released
    ├── InputError        something handed in is wrong; says where and what to do
    ├── SettingsError     the configuration cannot work as written
    ├── TransientError    the outside world failed for now; the same call may succeed later
    └── PermanentError    it will not succeed however often it is tried

Whether to retry is decided by the type, never by reading the text. A message names a member by number,
never an address or a title that somebody watched.
"""


class PostreelError(Exception):
    """Root of all errors raised on purpose."""


class ConsentError(PostreelError):
    """A use of a member's data had no live basis, or the basis could not be looked up."""


class InputError(PostreelError):
    """Something handed in is wrong. The message says where and what to do about it."""


class SettingsError(PostreelError):
    """The configuration cannot work as written."""


class TransientError(PostreelError):
    """The outside world failed for now; nothing was done, and the same call may succeed later."""


class PermanentError(PostreelError):
    """It will not succeed however often it is tried."""
