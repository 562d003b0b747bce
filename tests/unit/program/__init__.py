"""Tests of runs of the whole program against a recording engine, and of the sources as a whole."""
