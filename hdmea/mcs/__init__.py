"""Reading recordings: ``.cmcr`` (raw streams) and ``.cmtr`` (sorted units)."""
