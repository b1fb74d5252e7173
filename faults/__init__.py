"""Harm that is done to hdmea and its files, and what came of it.

`topics` lists its kinds; each is a module that does it and counts how it ended. ``make faults``
does all of it and writes docs/reliability.md; the tests do a sample. Faults of system calls:
`scenarios` says what is run and what it writes, `kinds` which faults there are, `driver` plants
one of them at one place, `judge` looks at what is left.
"""
