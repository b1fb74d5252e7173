"""How fast and how small hdmea is, beside others that do the same, in one run.

`topics` lists what is measured; each is a module. `contest` lets ways of doing the same work run
in turn, each in a process of its own (`way`), and tells seconds and memory. ``make bench`` runs all
of it and writes docs/benchmarks.md. Nothing here is part of the tests: seconds say nothing on
another machine, or beside another program.
"""
