"""Bytes in, Analysis out: reads a picture, decides what it is, classifies it and shows why."""
