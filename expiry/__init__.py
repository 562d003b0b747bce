"""The former name of `python -m ops certificates`; kept for one release."""
