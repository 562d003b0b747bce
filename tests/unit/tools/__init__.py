"""The pinned tools without a build: keys, the cache, messages."""

from pathlib import Path

CHECKOUT = Path(__file__).parents[3]
