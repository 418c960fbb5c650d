"""What is done at a rig before a run: a resistor in the cell's place, a load cell under known force."""
