"""Background work of the estate: none yet. Facts and states arrive by contact, and rules look at them by event."""
