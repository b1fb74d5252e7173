"""Files, tables and names that are made to mislead."""
