"""Pinned tools, built from Go modules and kept in a cache per user. See README.md here."""
