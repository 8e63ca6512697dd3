"""Running the program: ELF loading, the instruction ROM, the emulators and the cut of a run into shares."""
