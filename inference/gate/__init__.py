"""Decides whether a picture may be read at all: brain MRI, blood smear, or neither."""
