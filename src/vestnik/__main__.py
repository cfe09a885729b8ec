"""`python -m vestnik`: the same as the command `vestnik`."""

from vestnik.cli import main

if __name__ == "__main__":
    main()
