"""Faults of disk and process, planted at every place where hdmea changes a file.

`scenarios` says what is run and what it writes, `kinds` which faults there are, `driver` plants
one of them at one place, `judge` looks at what is left. ``make faults`` runs all of it and writes
docs/reliability.md; the tests run a sample.
"""
