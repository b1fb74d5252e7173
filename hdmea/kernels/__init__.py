"""Numbers only: spike counts, PSTH, spike-triggered average. Arrays in, arrays out."""
