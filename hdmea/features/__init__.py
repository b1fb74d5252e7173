"""Features: what is computed for every unit, each declared as data about a pure function."""
