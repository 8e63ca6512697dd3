"""How constraints are written: one definition per AIR, many walks over it."""
