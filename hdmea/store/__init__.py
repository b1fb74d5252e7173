"""Session files: layout, safe opening, atomic writing, digests; one of the rooms that know HDF5."""
