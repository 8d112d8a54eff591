"""``tumorscan key``: make a key for DATA_KEY."""

import argparse
import sys

from storage.vault import key_id, new_key, read_keys


def add_arguments(_: argparse.ArgumentParser) -> None:
    """There is nothing to choose."""


def run(_: argparse.Namespace) -> int:
    """Print a fresh key, alone on its line; what to do with it goes to stderr."""
    key = new_key()
    print(key)
    known = key_id(*read_keys(key))
    sys.stderr.write(f"This is key {known}. Write it into .env as DATA_KEY, and keep a copy apart from the database.\n")
    return 0
