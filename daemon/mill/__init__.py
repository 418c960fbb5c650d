"""The mill where a rig has no potentiostat: blade, chiller, and what they have done."""
