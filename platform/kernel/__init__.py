"""The floor: what every app shares. No domain words live here."""
