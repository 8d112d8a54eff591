"""Promises, one test each."""
