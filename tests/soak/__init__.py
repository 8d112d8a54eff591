"""A long rough soak: people send, faults are on, the bot is killed again and again, and at the end all is counted.

python -m tests.soak --minutes 5 --people 64 --kill-every 7 --faults --seed 1
"""
