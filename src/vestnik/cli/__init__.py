"""The command `vestnik`. Modules here import nothing heavy at their top, so that `--help` answers at once."""

import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line of this process and end it with the exit code."""
    try:
        from vestnik.cli.app import run_command_line

        code = run_command_line(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)
