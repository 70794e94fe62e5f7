"""`python -m syncd` is the command line."""

from syncd.cli.main import main

if __name__ == "__main__":
    main()
