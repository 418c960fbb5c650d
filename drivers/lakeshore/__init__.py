"""Lake Shore temperature monitors."""
