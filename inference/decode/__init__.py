"""Untrusted bytes to clean pixels."""
