"""What a release promises its neighbours: written down when it is made, and compared with what came after it."""
