"""The lab without a cluster: names, files, messages."""

from pathlib import Path

CHECKOUT = Path(__file__).parents[3]
