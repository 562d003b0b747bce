"""`python -m expiry`: the former name of `python -m ops certificates`."""

import sys

from ops.__main__ import main

if __name__ == "__main__":
    print("`python -m expiry` is now `python -m ops certificates`", file=sys.stderr)
    sys.exit(main(["certificates", *sys.argv[1:]]))
