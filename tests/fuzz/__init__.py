"""``make fuzz``: everything that comes from outside, changed at random for as long as one likes."""
