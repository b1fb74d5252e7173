"""Frame clock, stimulus library, playlist -> sections -> trials, alignment with the light."""
