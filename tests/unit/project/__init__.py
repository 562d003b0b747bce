"""Tests of what the project pins and installs."""
