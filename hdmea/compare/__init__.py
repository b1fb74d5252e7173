"""Whether two results are the same, and where they differ: session files, tables, old files."""
