"""What the commands' exit codes mean, beyond 0: all well."""

NOT_ALL_WELL = 1
"""Some rows failed or were not attempted, or the service refused."""
USAGE = 2
"""An argument, a setting or a file is not as it must be; nothing was sent."""
AUTHENTICATION = 3
"""The credentials were refused."""
IN_DOUBT = 4
"""Of something that was sent it is not known whether it was carried out."""
INTERRUPTED = 130
"""What Ctrl-C ends with."""
