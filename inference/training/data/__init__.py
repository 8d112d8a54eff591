"""Labelled pictures: read, checked, split by group."""
